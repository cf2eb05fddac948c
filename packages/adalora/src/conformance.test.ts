import { initialize, manualSeed } from '@peft/core';
import { AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification } from '@peft/models';
import { conformance, useTestedEngine } from '@peft/testing';
import { beforeAll, describe, it } from 'vitest';
import { type AdaLoraConfig, adaLora, adaLoraConfig } from './index';

beforeAll(() => useTestedEngine());

const sizes = {
  vocab_size: 61,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  initializer_range: 0.2,
};
const llama = { model_type: 'llama', ...sizes, num_key_value_heads: 2, pad_token_id: 0 };
const gpt2 = {
  model_type: 'gpt2',
  vocab_size: 61,
  n_embd: 16,
  n_layer: 2,
  n_head: 4,
  n_positions: 32,
  resid_pdrop: 0,
  embd_pdrop: 0,
  attn_pdrop: 0,
  initializer_range: 0.2,
};
const t5 = {
  model_type: 't5',
  vocab_size: 61,
  d_model: 16,
  d_kv: 4,
  d_ff: 24,
  // Finite differences do not agree with gradients across ReLU's kink.
  feed_forward_proj: 'gated-gelu',
  num_layers: 2,
  num_heads: 4,
  dropout_rate: 0,
  initializer_factor: 0.5,
  pad_token_id: 0,
  decoder_start_token_id: 0,
  eos_token_id: 1,
};
const bert = { model_type: 'bert', ...sizes, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0, num_labels: 3 };

const input_ids = [
  [5, 9, 31, 7, 22, 58],
  [3, 3, 40, 12, 0, 0],
];
const attention_mask = input_ids.map((row) => row.map((id) => (id === 0 ? 0 : 1)));
const labels = input_ids.map((row) => row.map((id) => (id === 0 ? -100 : id)));
const oneTrained = {
  'adapters are added, switched and deleted': 'only one adapter of a model can be trained; adalora.test.ts adds others for use',
};

const classes = { CAUSAL_LM: AutoModelForCausalLM, SEQ_2_SEQ_LM: AutoModelForSeq2SeqLM, SEQ_CLS: AutoModelForSequenceClassification };
const method = (task_type: keyof typeof classes, config: object, options: Partial<AdaLoraConfig> = {}) => ({
  tuner: adaLora,
  config: () => adaLoraConfig({ task_type, init_r: 3, target_r: 2, total_step: 50, ...options }),
  createShapes: () => classes[task_type].fromConfig(config as never),
  async createModel() {
    const model = await classes[task_type].fromConfig(config as never);
    manualSeed(3);
    initialize(model as never);
    return model;
  },
  batch: { input_ids, attention_mask, labels: task_type === 'SEQ_CLS' ? [2, 0] : labels },
  skip: oneTrained,
});
const unloadKeepsHead = { 'unloading gives the base back, to the bit': 'as in Python PEFT, the trained head stays' };

describe.each([
  ['llama', method('CAUSAL_LM', llama)],
  [
    'llama, all linear layers, without the orthogonality term',
    method('CAUSAL_LM', llama, { target_modules: 'all-linear', orth_reg_weight: 0 }),
  ],
  ['gpt2', method('CAUSAL_LM', gpt2)],
  ['t5', method('SEQ_2_SEQ_LM', t5)],
  ['a classifier', { ...method('SEQ_CLS', bert), skip: { ...oneTrained, ...unloadKeepsHead } }],
  [
    'a classifier and the biases of its layers',
    {
      ...method('SEQ_CLS', bert, { bias: 'lora_only', target_modules: ['value'] }),
      skip: {
        ...oneTrained,
        ...unloadKeepsHead,
        'load, use and delete keep no tensors': 'only one adapter can train biases',
      },
    },
  ],
])('AdaLoRA on %s', (_, tested) => {
  for (const { name, skip, run } of conformance(tested as never)) (skip ? it.skip : it)(name, run);
});
