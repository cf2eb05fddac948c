import '@tensorflow/tfjs-backend-wasm';
import { getPeftModel } from '@peft/core';
import { AutoModelForCausalLM } from '@peft/models';
import { conformance, tinyBase } from '@peft/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { newMethod, newMethodConfig } from './index';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

const base = tinyBase(AutoModelForCausalLM, 'llama');
const config = () => newMethodConfig({ task_type: 'CAUSAL_LM', target_modules: ['q_proj', 'v_proj', 'down_proj'] });

describe('what every method does', () => {
  const method = { tuner: newMethod, config, ...base };
  for (const { name, skip, run } of conformance(method)) (skip ? it.skip : it)(name, run);
});

it('trains one number a layer', async () => {
  const model = getPeftModel(await base.createModel(), config());
  expect(model.getNbTrainableParameters()[0]).toBe(2 * 3);
  model.dispose();
});

it('refuses layers that are not linear', async () => {
  const model = await base.createModel();
  expect(() => getPeftModel(model, newMethodConfig({ target_modules: ['embed_tokens'] }))).toThrow('only Linear layers can');
});
