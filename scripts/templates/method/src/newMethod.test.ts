import '@tensorflow/tfjs-backend-wasm';
import { getPeftModel, initialize, manualSeed } from '@peft/core';
import { AutoModelForCausalLM } from '@peft/models';
import { conformance } from '@peft/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { newMethod, newMethodConfig } from './index';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

const architecture = {
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
const input_ids = [
  [5, 9, 31, 7, 22, 58],
  [3, 3, 40, 12, 0, 0],
];
const attention_mask = input_ids.map((row) => row.map((id) => Number(id !== 0)));
const labels = input_ids.map((row) => row.map((id) => (id === 0 ? -100 : id)));

const createShapes = () => AutoModelForCausalLM.fromConfig(architecture);
const createModel = async () => {
  const model = await createShapes();
  manualSeed(3);
  initialize(model);
  return model;
};
const config = () => newMethodConfig({ task_type: 'CAUSAL_LM', target_modules: ['q_proj', 'v_proj', 'down_proj'] });

describe('what every method does', () => {
  const method = { tuner: newMethod, config, createShapes, createModel, batch: { input_ids, attention_mask, labels } };
  for (const { name, skip, run } of conformance(method as never)) (skip ? it.skip : it)(name, run);
});

it('trains one number a layer', async () => {
  const model = getPeftModel(await createModel(), config());
  expect(model.getNbTrainableParameters()[0]).toBe(2 * 3);
  model.dispose();
});

it('refuses layers that are not linear', async () => {
  const base = await createModel();
  expect(() => getPeftModel(base, newMethodConfig({ target_modules: ['embed_tokens'] }))).toThrow('only Linear layers can');
});
