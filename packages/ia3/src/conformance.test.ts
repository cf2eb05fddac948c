import { AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification } from '@peft/models';
import { conformance, tinyBase, useTestedEngine } from '@peft/testing';
import { beforeAll, describe, it } from 'vitest';
import { type IA3Config, ia3, ia3Config } from './index';

beforeAll(() => useTestedEngine());

const method = (base: ReturnType<typeof tinyBase>, options: Partial<IA3Config>) => ({
  tuner: ia3,
  config: () => ia3Config(options),
  ...base,
  ...(options.task_type === 'SEQ_CLS' && {
    skip: { 'unloading gives the base back, to the bit': 'as in Python PEFT, the trained head stays' },
  }),
});
const language = (architecture: 'llama' | 'gpt2', options = {}) =>
  method(tinyBase(AutoModelForCausalLM, architecture), { task_type: 'CAUSAL_LM', ...options });

describe.each([
  ['llama', language('llama')],
  ['gpt2', language('gpt2')],
  ['t5', method(tinyBase(AutoModelForSeq2SeqLM, 't5'), { task_type: 'SEQ_2_SEQ_LM' })],
  ['bert', method(tinyBase(AutoModelForSequenceClassification, 'bert'), { task_type: 'SEQ_CLS' })],
  [
    'all linear layers of llama, started at random',
    {
      ...language('llama', { target_modules: 'all-linear', feedforward_modules: [], init_ia3_weights: false }),
      startsAsIdentity: false,
    },
  ],
])('(IA)³ on %s', (_, tested) => {
  for (const { name, skip, run } of conformance(tested)) (skip ? it.skip : it)(name, run);
});
