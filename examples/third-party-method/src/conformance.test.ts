import { initialize, manualSeed } from '@peft/core';
import { AutoModelForCausalLM } from '@peft/models';
import { conformance, useTestedEngine } from '@peft/testing';
import { beforeAll, describe, it } from 'vitest';
import { vera, veraConfig } from './index';

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
const input_ids = [
  [5, 9, 31, 7, 22, 58],
  [3, 3, 40, 12, 0, 0],
];
const attention_mask = input_ids.map((row) => row.map((id) => Number(id !== 0)));
const labels = input_ids.map((row) => row.map((id) => (id === 0 ? -100 : id)));

const onModel = (config: typeof llama | typeof gpt2, options: Parameters<typeof veraConfig>[0]) => ({
  tuner: vera,
  config: () => veraConfig({ task_type: 'CAUSAL_LM', r: 6, ...options }),
  createShapes: () => AutoModelForCausalLM.fromConfig(config),
  async createModel() {
    const model = await AutoModelForCausalLM.fromConfig(config);
    manualSeed(3);
    initialize(model);
    return model;
  },
  batch: { input_ids, attention_mask, labels },
});

describe.each([
  ['Llama', onModel(llama, {})],
  ['Llama, all linear layers', onModel(llama, { target_modules: 'all-linear', save_projection: false })],
  ['GPT-2', onModel(gpt2, {})],
])('VeRA on %s', (_, method) => {
  for (const { name, skip, run } of conformance(method as never)) (skip ? it.skip : it)(name, run);
});
