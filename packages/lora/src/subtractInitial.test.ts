import '@tensorflow/tfjs-backend-wasm';
import { Conv1D, getPeftModel, initialize, kind, Linear, Module, manualSeed, memorySink, PeftModel, relu } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { type LoraConfig, lora, loraConfig } from './index';

class Net extends Module {
  static override readonly [kind]: string = 'Net';
  readonly lin = new Linear(8, 6);
  readonly mix = new Conv1D(5, 6);

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return this.mix.forward(relu(this.lin.forward(x)));
  }
}

function build(): Net {
  manualSeed(1);
  const net = new Net();
  initialize(net);
  return net;
}

const outputs = (model: { forward(x: tf.Tensor2D): tf.Tensor }) =>
  tf.tidy(() => Array.from(model.forward(tf.reshape(tf.sin(tf.range(0, 24)), [3, 8])).dataSync()));

beforeAll(async () => {
  await tf.setBackend('wasm');
});

it.each<[string, Partial<LoraConfig>]>([
  ['pissa', { init_lora_weights: 'pissa' }],
  ['olora', { init_lora_weights: 'olora', target_modules: ['lin'] }],
  ['orthogonal', { init_lora_weights: 'orthogonal', r: 4 }],
  ['pissa with rslora', { init_lora_weights: 'pissa', use_rslora: true }],
  ['pissa with patterns', { init_lora_weights: 'pissa', rank_pattern: { mix: 3 }, alpha_pattern: { lin: 5 } }],
])('an adapter started by %s is saved as one that fits the base as it was', async (_, options) => {
  const model = getPeftModel(build(), loraConfig({ r: 2, lora_alpha: 3, target_modules: ['lin', 'mix'], ...options }));
  const initial = memorySink();
  await model.savePretrained(initial);
  for (const [i, parameter] of Object.values(model.trainableParameters()).entries())
    parameter.set(parameter.value.dataSync<'float32'>().map((value, k) => value + 0.2 * Math.sin(i + 3 * k)));
  const trained = outputs(model);

  const converted = memorySink();
  await model.savePretrained(converted, { initialAdapter: initial.files });
  const loaded = await PeftModel.fromPretrained(build(), converted.files, { tuners: [lora] });
  expect(loaded.peftConfig.default).toMatchObject({ init_lora_weights: true, r: 2 * (options.r ?? 2) });
  const again = outputs(loaded);
  trained.forEach((value, i) => expect(again[i]).toBeCloseTo(value, 5));
  const base = loaded.disableAdapter(() => outputs(loaded));
  outputs(build()).forEach((value, i) => expect(base[i]).toBe(value));
});

it('says what cannot be converted', async () => {
  const model = getPeftModel(build(), loraConfig({ target_modules: ['lin'], use_dora: true, init_lora_weights: true }));
  const sink = memorySink();
  await model.savePretrained(sink);
  await expect(model.savePretrained(memorySink(), { initialAdapter: sink.files })).rejects.toThrow(/lora_magnitude_vector/);
});
