import { initialize, manualSeed } from '@peft/core';
import { AutoModelForCausalLM, AutoModelForSequenceClassification } from '@peft/models';
import { conformance, useTestedEngine } from '@peft/testing';
import { beforeAll, describe, it } from 'vitest';
import { lora, loraConfig } from './index';

beforeAll(() => useTestedEngine());

const llama = {
  model_type: 'llama',
  vocab_size: 61,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  pad_token_id: 0,
  initializer_range: 0.2,
};
const bert = {
  model_type: 'bert',
  vocab_size: 61,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
  num_labels: 3,
  initializer_range: 0.2,
};
const input_ids = [
  [5, 9, 31, 7, 22, 58],
  [3, 3, 40, 12, 0, 0],
];
const attention_mask = input_ids.map((row) => row.map((id) => (id === 0 ? 0 : 1)));
const labels = input_ids.map((row) => row.map((id) => (id === 0 ? -100 : id)));

const language = (options: Parameters<typeof loraConfig>[0]) => ({
  tuner: lora,
  config: () => loraConfig({ task_type: 'CAUSAL_LM', r: 4, lora_alpha: 8, ...options }),
  createShapes: () => AutoModelForCausalLM.fromConfig(llama),
  async createModel() {
    const model = await AutoModelForCausalLM.fromConfig(llama);
    manualSeed(3);
    initialize(model);
    return model;
  },
  batch: { input_ids, attention_mask, labels },
});

const classification = (options: Parameters<typeof loraConfig>[0]) => ({
  tuner: lora,
  config: () => loraConfig({ task_type: 'SEQ_CLS', r: 4, ...options }),
  createShapes: () => AutoModelForSequenceClassification.fromConfig(bert),
  async createModel() {
    const model = await AutoModelForSequenceClassification.fromConfig(bert);
    manualSeed(3);
    initialize(model);
    return model;
  },
  batch: { input_ids, attention_mask, labels: [2, 0] },
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
  for (const { name, skip, run } of conformance(method as never)) (skip ? it.skip : it)(name, run);
});
