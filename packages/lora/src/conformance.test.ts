import { AutoModelForCausalLM, AutoModelForSequenceClassification } from '@peft/models';
import { conformance, tinyBase, useTestedEngine } from '@peft/testing';
import { beforeAll, describe, it } from 'vitest';
import { lora, loraConfig } from './index';

beforeAll(() => useTestedEngine());

type Options = Parameters<typeof loraConfig>[0];
const language = (options: Options) => ({
  tuner: lora,
  config: () => loraConfig({ task_type: 'CAUSAL_LM', r: 4, lora_alpha: 8, ...options }),
  ...tinyBase(AutoModelForCausalLM, 'llama'),
});
const classification = (options: Options) => ({
  tuner: lora,
  config: () => loraConfig({ task_type: 'SEQ_CLS', r: 4, ...options }),
  ...tinyBase(AutoModelForSequenceClassification, 'bert'),
});

const unloadKeepsHead = { 'unloading gives the base back, to the bit': 'as in Python PEFT, the trained head stays' };

describe.each([
  ['a language model', language({})],
  ['all linear layers', language({ target_modules: 'all-linear' })],
  ['a rank-stabilised one', language({ use_rslora: true })],
  ['embeddings', language({ target_modules: ['embed_tokens', 'q_proj'] })],
  [
    'a language model, with DoRA',
    {
      ...language({ use_dora: true }),
      skip: { 'gradients agree with finite differences': 'the norm in it counts as a constant, as its paper says' },
    },
  ],
  [
    'a language model, started by PiSSA',
    {
      ...language({ init_lora_weights: 'pissa' }),
      skip: {
        'a disabled adapter has no effect': 'the base is without the directions that the adapter started from',
        'adapters are added, switched and deleted': 'each takes its start off the base',
      },
    },
  ],
  ['a classifier', { ...classification({}), skip: unloadKeepsHead }],
  ['a classifier, with biases of B', { ...classification({ lora_bias: true }), skip: unloadKeepsHead }],
  [
    'a classifier and all its biases',
    {
      ...classification({ bias: 'all' }),
      skip: {
        ...unloadKeepsHead,
        'every trained value has an effect on the outputs': 'a bias of keys shifts all scores of a query alike',
        'load, use and delete keep no tensors': 'only one adapter can train biases',
        'adapters are added, switched and deleted': 'only one adapter can train biases',
      },
    },
  ],
])('LoRA on %s', (_, method) => {
  for (const { name, skip, run } of conformance(method)) (skip ? it.skip : it)(name, run);
});
