import '@tensorflow/tfjs-backend-wasm';
import {
  Conv1D,
  Embedding,
  getPeftModel,
  initialize,
  isA,
  kind,
  Linear,
  Module,
  manualSeed,
  memorySink,
  PeftModel,
  parameters,
  relu,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LoraConfig, lora, loraConfig } from './index';

class Net extends Module {
  static override readonly [kind]: string = 'Net';
  readonly emb = new Embedding(10, 8);
  readonly lin0 = new Linear(8, 8);
  readonly mix = new Conv1D(6, 8);
  readonly lin1 = new Linear(6, 4, false);

  forward({ input_ids }: { input_ids: readonly (readonly number[])[] }): tf.Tensor2D {
    const ids = tf.tensor1d(input_ids.flat(), 'int32');
    return this.lin1.forward(this.mix.forward(relu(this.lin0.forward(this.emb.forward(ids)))));
  }
}

const build = () => {
  manualSeed(1);
  const net = new Net();
  initialize(net);
  return net;
};
const input = {
  input_ids: [
    [1, 2, 3],
    [4, 5, 9],
  ],
};
const outputs = (model: { forward(x: typeof input): tf.Tensor }) => tf.tidy(() => Array.from(model.forward(input).dataSync()));
const difference = (a: number[], b: number[]) => Math.max(...a.map((x, i) => Math.abs(x - (b[i] as number))));
/** Random values everywhere, so that no zero hides a mistake. */
const shake = (model: PeftModel<Net>) => {
  for (const parameter of Object.values(model.adapterState()))
    parameter.set(Array.from({ length: parameter.size }, (_, i) => Math.sin(i * 12.9898 + parameter.size) * 0.5));
};

beforeAll(async () => {
  await tf.setBackend('wasm');
});
beforeEach(() => manualSeed(0));

const cases: [string, Partial<LoraConfig>][] = [
  ['linear layers', { target_modules: ['lin0', 'lin1'] }],
  ['a Conv1D', { target_modules: ['mix'] }],
  ['an embedding', { target_modules: ['emb'] }],
  ['rslora', { target_modules: ['lin0'], use_rslora: true, lora_alpha: 3 }],
  ['DoRA', { target_modules: ['lin0', 'mix', 'emb', 'lin1'], use_dora: true }],
  ['lora_bias', { target_modules: ['lin0', 'mix'], lora_bias: true }],
  ['biases', { target_modules: ['lin0'], bias: 'all' }],
  ['pissa', { target_modules: ['lin0', 'mix'], init_lora_weights: 'pissa', r: 2 }],
  ['olora', { target_modules: ['lin0', 'lin1'], init_lora_weights: 'olora', r: 2 }],
  ['orthogonal', { target_modules: ['lin0'], init_lora_weights: 'orthogonal', r: 4 }],
  ['gaussian', { target_modules: ['lin0'], init_lora_weights: 'gaussian' }],
];

describe.each(cases)('%s', (_, options) => {
  it('starts as the base, merges to the same outputs, unmerges and unloads to the bit', () => {
    const net = build();
    const before = tf.memory().numTensors;
    const base = outputs(net);
    const model = getPeftModel(net, loraConfig({ r: 4, ...options }));
    expect(difference(outputs(model), base)).toBeLessThan(1e-5);
    shake(model);
    const tuned = outputs(model);
    expect(difference(tuned, base)).toBeGreaterThan(1e-3);
    model.mergeAdapter();
    expect(difference(outputs(model), tuned)).toBeLessThan(1e-5);
    model.unmergeAdapter();
    expect(outputs(model)).toEqual(tuned);
    if (!/pissa|olora/.test(String(options.init_lora_weights))) expect(model.disableAdapter(() => outputs(model))).toEqual(base);
    expect(outputs(model)).toEqual(tuned);
    expect(model.unload()).toBe(net);
    expect(outputs(net)).toEqual(base);
    expect(isA(net.lin0, Linear)).toBe(true);
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(4); // transposes that the frozen layers keep
  });

  it('saves and loads to the same outputs, and merges for good', async () => {
    const model = getPeftModel(build(), loraConfig({ r: 4, ...options }));
    shake(model);
    const tuned = outputs(model);
    const sink = memorySink();
    await model.savePretrained(sink);
    const loaded = await PeftModel.fromPretrained(build(), sink.files, { tuners: [lora] });
    expect(outputs(loaded)).toEqual(tuned);
    const again = memorySink();
    await loaded.savePretrained(again);
    expect(again.files).toEqual(sink.files);
    const merged = loaded.mergeAndUnload();
    expect(difference(outputs(merged), tuned)).toBeLessThan(1e-5);
  });
});

it('matches and counts on a model that is only shapes', () => {
  const before = tf.memory().numTensors;
  const model = getPeftModel(new Net(), loraConfig({ r: 2, target_modules: 'all-linear', init_lora_weights: 'pissa' }));
  expect(model.getNbTrainableParameters()[0]).toBe(2 * (8 + 8) + 2 * (8 + 6) + 2 * (6 + 4));
  expect(tf.memory().numTensors).toBe(before);
});

it('refuses what is not built, naming the field, and leaves the model as it was', () => {
  const net = build();
  const names = Object.keys(net);
  expect(() => getPeftModel(net, loraConfig({ target_modules: ['lin0'], init_lora_weights: 'eva' }))).toThrow(/init_lora_weights: "eva"/);
  expect(() => getPeftModel(net, loraConfig({ target_modules: ['lin0'], megatron_config: {} }))).toThrow(/megatron_config/);
  expect(() => getPeftModel(net, loraConfig({ target_modules: ['qproj'] }))).toThrow(/match nothing; layers here: emb, lin0, mix, lin1/);
  expect(() => loraConfig({ r: 'eight' } as never)).toThrow(/r must be a positive whole number, not "eight"/);
  expect(() => loraConfig({ rank: 8 } as never)).toThrow(/unknown fields in a LORA config: rank/);
  expect(Object.keys(net)).toEqual(names);
  expect(isA(net.lin0, Linear)).toBe(true);
});

it('mixes adapters in a batch', () => {
  const model = getPeftModel(build(), loraConfig({ r: 2, target_modules: ['lin0', 'mix', 'emb'] }));
  shake(model);
  model.addAdapter('other', loraConfig({ r: 3, target_modules: ['lin0'], init_lora_weights: false }));
  model.eval();
  const rows = (names: string[]) => tf.tidy(() => Array.from(model.forward({ ...input, adapter_names: names }).dataSync()));
  const own = outputs(model);
  model.setAdapter('other');
  const other = outputs(model);
  const base = model.disableAdapter(() => outputs(model));
  const half = own.length / 2;
  expect(difference(rows(['default', 'other']), [...own.slice(0, half), ...other.slice(half)])).toBeLessThan(1e-6);
  expect(difference(rows(['__base__', 'default']), [...base.slice(0, half), ...own.slice(half)])).toBeLessThan(1e-6);
  expect(() => rows(['default'])).toThrow(/1 names for 2 rows/);
  expect(() => rows(['default', 'x'])).toThrow(/unknown adapters: x/);
});

it('keeps its tensors constant over loads and deletes', () => {
  const net = build();
  const model = getPeftModel(net, loraConfig({ r: 2, target_modules: ['lin0'] }));
  outputs(model);
  const before = tf.memory().numTensors;
  for (let i = 0; i < 3; i++) {
    model.addAdapter('x', loraConfig({ r: 2, target_modules: ['lin0', 'mix', 'emb'] }));
    model.setAdapter('x');
    outputs(model);
    model.setAdapter('default');
    model.deleteAdapter('x');
  }
  outputs(model);
  expect(tf.memory().numTensors).toBe(before);
  expect(parameters(net).every((parameter) => parameter.ready)).toBe(true);
});

it('holds the names of a set once, and trains a module once that is named twice', () => {
  const config = loraConfig({ target_modules: ['lin0', 'lin1', 'lin0'], modules_to_save: ['emb', 'emb'] });
  expect(config.target_modules).toEqual(['lin0', 'lin1']);
  expect(getPeftModel(new Net(), config).peftConfig.default?.modules_to_save).toEqual(['emb']);
});
