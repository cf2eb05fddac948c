import { conformance, useTestedEngine } from '@peft/testing';
import { beforeAll, describe, it } from 'vitest';
import { type PromptEncoderConfig, promptEncoderConfig, pTuning } from './index';
import { type Base, bases, createModel, createShapes } from './models.testing';

beforeAll(() => useTestedEngine());

const lstm = { encoder_reparameterization_type: 'LSTM' } as const;
const heads = { 'unloading gives the base back, to the bit': 'as in Python PEFT the trained head stays' };

describe.each<[string, Base, Partial<PromptEncoderConfig>]>([
  ['Llama', bases.llama, {}],
  ['Llama, with an LSTM', bases.llama, { ...lstm, encoder_hidden_size: 5 }],
  ['Llama, around the prompt', bases.llama, { prompt_template: [{ input: 2 }, 2, 'input', { tokens: [29, 30] }, 1] }],
  ['T5', bases.t5, {}],
  ['T5, behind the input', bases.t5, { prompt_template: ['input', { tokens: [29] }, 3] }],
  ['BERT for classes, with an LSTM', bases.bert, { ...lstm, encoder_hidden_size: 5, encoder_num_layers: 1 }],
  // With the MLP the finite differences of this case step over a kink of its ReLU.
  ['BERT for tokens, behind the first one', bases.bertForTokens, { ...lstm, prompt_template: [{ input: 1 }, 3, 'input'] }],
])('p-tuning on %s', (_, base, options) => {
  const method = {
    tuner: pTuning,
    config: () => promptEncoderConfig({ task_type: base.task_type, num_virtual_tokens: 3, ...options }),
    createShapes: () => createShapes(base),
    createModel: () => createModel(base),
    batch: base.batch,
    startsAsIdentity: false,
    skip: base.config.model_type === 'bert' ? heads : {},
  };
  for (const { name, skip, run } of conformance(method as never)) (skip ? it.skip : it)(name, run);
});
