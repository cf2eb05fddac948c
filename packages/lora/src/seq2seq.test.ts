import '@tensorflow/tfjs-backend-wasm';
import { fileURLToPath } from 'node:url';
import { disposeModule, getPeftModel, manualSeed, namedParameters, type Parameter, parameters, setWarningHandler } from '@peft/core';
import { AutoModelForSeq2SeqLM } from '@peft/models';
import { checkGradients } from '@peft/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { loraConfig } from './index';

const load = (name: string) =>
  AutoModelForSeq2SeqLM.fromPretrained(fileURLToPath(new URL(`../../../fixtures/reference/${name}-seq-2-seq-lm/base`, import.meta.url)));
const batch = {
  input_ids: [
    [5, 9, 17, 3],
    [8, 41, 1, 1],
  ],
  attention_mask: [
    [1, 1, 1, 1],
    [1, 1, 0, 0],
  ],
  labels: [
    [7, 12, 0],
    [33, 0, -100],
  ],
};

beforeAll(async () => {
  await tf.setBackend('wasm');
  setWarningHandler(() => {});
  manualSeed(5);
});

it.each([
  ['mt5', ['encoder.block.0.layer.0.SelfAttention.q', 'decoder.block.0.layer.1.EncDecAttention.v']],
  ['bart', ['model.encoder.layers.0.self_attn.v_proj', 'model.decoder.layers.1.encoder_attn.k_proj']],
])("has the gradients of %s's finite differences, in both halves, and keeps no tensors", async (name, modules) => {
  const before = tf.memory().numTensors;
  const model = getPeftModel(await load(name), loraConfig({ r: 1, lora_alpha: 0.1, init_lora_weights: false, target_modules: modules }));
  const parameters = Object.values(model.trainableParameters()) as Parameter[];
  expect(parameters).toHaveLength(4);
  const warm = tf.tidy(() => model.forward(batch).loss as tf.Scalar);
  warm.dispose();
  const held = tf.memory().numTensors;
  checkGradients(() => model.forward(batch).loss as tf.Scalar, parameters, { epsilon: 0.02, tolerance: 1e-2 });
  expect(tf.memory().numTensors).toBe(held);
  model.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

it('has the gradient of the relative positions that all layers share', async () => {
  const model = await load('mt5');
  const biases = [...namedParameters(model)].filter(([name]) => name.endsWith('relative_attention_bias.weight')).map(([, one]) => one);
  for (const one of parameters(model)) one.trainable = biases.includes(one);
  expect(biases).toHaveLength(2);
  checkGradients(() => model.forward(batch).loss as tf.Scalar, biases, { epsilon: 0.02, tolerance: 1e-2 });
  disposeModule(model);
});

it('mixes adapters in one generated batch', async () => {
  const model = getPeftModel(await load('bart'), loraConfig({ r: 2, init_lora_weights: false, lora_alpha: 8 }));
  model.eval();
  const input = {
    input_ids: [
      [5, 9, 17, 3],
      [5, 9, 17, 3],
    ],
    max_new_tokens: 5,
    num_beams: 2,
  };
  const rows = await model.generate({ ...input, adapter_names: ['default', '__base__'] });
  const [adapted] = await model.generate(input);
  const [plain] = await model.disableAdapter(() => model.generate(input));
  expect(rows).toEqual([adapted, plain]);
  expect(adapted).not.toEqual(plain);
  model.dispose();
});
