import { AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification } from '@peft/models';
import { conformance, tinyBase, useTestedEngine } from '@peft/testing';
import { beforeAll, describe, it } from 'vitest';
import { type AdaLoraConfig, adaLora, adaLoraConfig } from './index';

beforeAll(() => useTestedEngine());

const oneTrained = {
  'adapters are added, switched and deleted': 'only one adapter of a model can be trained; adalora.test.ts adds others for use',
};

const method = (base: ReturnType<typeof tinyBase>, options: Partial<AdaLoraConfig>) => ({
  tuner: adaLora,
  config: () => adaLoraConfig({ init_r: 3, target_r: 2, total_step: 50, ...options }),
  ...base,
  skip: oneTrained,
});
const language = (architecture: 'llama' | 'gpt2', options = {}) =>
  method(tinyBase(AutoModelForCausalLM, architecture), { task_type: 'CAUSAL_LM', ...options });
const classifier = (options = {}) => method(tinyBase(AutoModelForSequenceClassification, 'bert'), { task_type: 'SEQ_CLS', ...options });
const unloadKeepsHead = { 'unloading gives the base back, to the bit': 'as in Python PEFT, the trained head stays' };

describe.each([
  ['llama', language('llama')],
  ['llama, all linear layers, without the orthogonality term', language('llama', { target_modules: 'all-linear', orth_reg_weight: 0 })],
  ['gpt2', language('gpt2')],
  ['t5', method(tinyBase(AutoModelForSeq2SeqLM, 't5'), { task_type: 'SEQ_2_SEQ_LM' })],
  ['a classifier', { ...classifier(), skip: { ...oneTrained, ...unloadKeepsHead } }],
  [
    'a classifier and the biases of its layers',
    {
      ...classifier({ bias: 'lora_only', target_modules: ['value'] }),
      skip: {
        ...oneTrained,
        ...unloadKeepsHead,
        'load, use and delete keep no tensors': 'only one adapter can train biases',
      },
    },
  ],
])('AdaLoRA on %s', (_, tested) => {
  for (const { name, skip, run } of conformance(tested)) (skip ? it.skip : it)(name, run);
});
