import '@tensorflow/tfjs-backend-wasm';
import { getPeftModel, initialize, manualSeed, type PeftModel, parameters, setWarningHandler } from '@peft/core';
import { AutoModelForCausalLM, AutoModelForSequenceClassification } from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type IA3Config, Ia3Layer, type ia3, ia3Config } from './index';

const sizes = {
  vocab_size: 61,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  initializer_range: 0.3,
};
const build = async (model_type = 'llama') => {
  const base = await AutoModelForCausalLM.fromConfig({ model_type, ...sizes } as never);
  manualSeed(3);
  initialize(base);
  return base;
};
type Model = PeftModel<Awaited<ReturnType<typeof build>>, typeof ia3>;
const config = (options: Partial<IA3Config> = {}) => ia3Config({ task_type: 'CAUSAL_LM', ...options });
const input_ids = [
  [5, 9, 31],
  [3, 40, 12],
];
const logits = (model: Pick<Model, 'forward'>, extra = {}) =>
  tf.tidy(() => Array.from(model.forward({ input_ids, ...extra }).logits?.dataSync() ?? []));
const difference = (a: number[], b: number[]) => Math.max(...a.map((x, i) => Math.abs(x - (b[i] as number))));
const shake = (model: Model, name = 'default', seed = 1) => {
  for (const [i, parameter] of Object.values(model.adapterState(name)).entries())
    parameter.set(Array.from({ length: parameter.size }, (_, j) => 1 + 0.6 * Math.sin(12.9898 * j + 7 * i + seed)));
};
const adapted = async (options: Partial<IA3Config> = {}): Promise<Model> => {
  const model = getPeftModel(await build(), config(options)).eval();
  shake(model);
  return model;
};
const vectors = (model: Model, name: string) => Object.values(model.adapterState(name)).map(({ value }) => Array.from(value.dataSync()));
const values = (model: Model) => parameters(model.getBaseModel()).flatMap(({ value }) => Array.from(value.dataSync()));

beforeAll(async () => {
  await tf.setBackend('wasm');
});
beforeEach(() => manualSeed(0));

describe('merging', () => {
  it('is undone to the bit, also where a vector holds zeros, which Python PEFT loses', async () => {
    const model = await adapted();
    for (const parameter of Object.values(model.adapterState())) parameter.set(new Float32Array(parameter.size));
    const before = values(model);
    const expected = logits(model);
    model.mergeAdapter();
    expect(difference(logits(model), expected)).toBeLessThan(1e-6);
    model.unmergeAdapter();
    expect(values(model)).toEqual(before);
  });

  it('multiplies several adapters, one after the other', async () => {
    const model = await adapted();
    model.addAdapter('second', config());
    shake(model, 'second', 4);
    model.setAdapter(['default', 'second']);
    const expected = logits(model);
    model.mergeAdapter();
    expect(difference(logits(model), expected)).toBeLessThan(1e-5);
  });
});

describe('several adapters', () => {
  it('multiply where they are active together', async () => {
    const model = await adapted();
    model.addAdapter('second', config());
    shake(model, 'second', 4);
    model.addAdapter('product', config());
    const [a, b] = [vectors(model, 'default'), vectors(model, 'second')];
    for (const [i, parameter] of Object.values(model.adapterState('product')).entries())
      parameter.set((a[i] as number[]).map((x, j) => x * (b[i]?.[j] as number)));
    model.setAdapter('product');
    const product = logits(model);
    model.setAdapter(['default', 'second']);
    expect(difference(logits(model), product)).toBeLessThan(1e-5);
  });

  it('share a batch, a row each, which Python PEFT ignores silently', async () => {
    const model = await adapted();
    model.addAdapter('second', config());
    shake(model, 'second', 4);
    const mixed = logits(model, { adapter_names: ['second', '__base__'] });
    const half = mixed.length / 2;
    model.setAdapter('second');
    expect(difference(mixed.slice(0, half), logits(model).slice(0, half))).toBeLessThan(1e-6);
    const bare = model.disableAdapter(() => logits(model));
    expect(difference(mixed.slice(half), bare.slice(half))).toBeLessThan(1e-6);
    expect(difference(mixed.slice(0, half), bare.slice(0, half))).toBeGreaterThan(1e-3);
  });

  it('add up with weights, whatever layers they scale', async () => {
    const model = await adapted({ target_modules: ['k_proj', 'down_proj'], feedforward_modules: ['down_proj'] });
    model.addAdapter('second', config({ target_modules: ['v_proj', 'down_proj'], feedforward_modules: ['down_proj'] }));
    shake(model, 'second', 4);
    model.addWeightedAdapter(['default', 'second'], [0.75, 0.5], 'sum');
    const { target_modules, feedforward_modules } = model.peftConfig.sum as IA3Config;
    expect([target_modules, feedforward_modules]).toEqual([['down_proj', 'k_proj', 'v_proj'], ['down_proj']]);
    const of = (name: string, end: string) =>
      Object.entries(model.adapterState(name)).flatMap(([key, { value }]) =>
        key.includes(`.${end}.`) ? Array.from(value.dataSync()) : [],
      );
    const close = (ours: number[], theirs: number[]) => expect(difference(ours, theirs)).toBeLessThan(1e-6);
    const second = of('second', 'down_proj');
    close(
      of('sum', 'down_proj'),
      of('default', 'down_proj').map((x, i) => 0.75 * x + 0.5 * (second[i] as number)),
    );
    // The other adapter does not scale this layer: it leaves it as it is.
    close(
      of('sum', 'k_proj'),
      of('default', 'k_proj').map((x) => 0.75 * x + 0.5),
    );
    expect(Object.values(model.adapterState('sum')).some(({ trainable }) => trainable)).toBe(false);
    expect(() => model.addWeightedAdapter(['default'], [1], 'sum')).toThrow('there is an adapter "sum" already');
    expect(() => model.addWeightedAdapter(['default', 'third'], [1, 1], 'more')).toThrow('no adapter "third"');
  });

  it('do not add up where they train whole modules, whose sum would be lost', async () => {
    const base = await AutoModelForSequenceClassification.fromConfig({ model_type: 'bert', ...sizes, num_labels: 2 } as never);
    initialize(base);
    const model = getPeftModel(base, ia3Config({ task_type: 'SEQ_CLS' }));
    expect(() => model.addWeightedAdapter(['default'], [1], 'sum')).toThrow('modules_to_save');
  });

  it('must agree on which layers are feed-forward', async () => {
    const model = await adapted();
    const before = logits(model);
    expect(() => model.addAdapter('other', config({ target_modules: ['k_proj', 'down_proj'], feedforward_modules: [] }))).toThrow(
      /"model.layers.0.mlp.down_proj" is a feed-forward module for one adapter and not for another/,
    );
    expect(logits(model)).toEqual(before);
    expect(Object.keys(model.peftConfig)).toEqual(['default']);
  });
});

describe('configs', () => {
  it('take the layers of the architecture', async () => {
    const layers = Object.entries(getPeftModel(await build(), config()).adapter().layers);
    expect(layers.map(([key, { is_feedforward }]) => [key.split('.').at(-1), is_feedforward])).toEqual([
      ['k_proj', false],
      ['v_proj', false],
      ['down_proj', true],
    ]);
  });

  it('take in attention.output.dense with output.dense of BERT as a feed-forward layer, as Python PEFT does by mistake', async () => {
    const base = await AutoModelForSequenceClassification.fromConfig({ model_type: 'bert', ...sizes, num_labels: 2 } as never);
    const model = getPeftModel(base, ia3Config({ task_type: 'SEQ_CLS' }));
    const fed = Object.entries(model.adapter().layers).filter(([, { is_feedforward }]) => is_feedforward);
    expect(fed.map(([key]) => key)).toEqual(['bert.encoder.layer.0.attention.output.dense', 'bert.encoder.layer.0.output.dense']);
  });

  it('start from ones, or at random', async () => {
    const flat = async (init_ia3_weights: boolean) => vectors(getPeftModel(await build(), config({ init_ia3_weights })), 'default').flat();
    expect(new Set(await flat(true))).toEqual(new Set([1]));
    const random = await flat(false);
    expect(Math.abs(random.reduce((sum, x) => sum + x * x, 0) / random.length - 1)).toBeLessThan(0.5);
  });

  it('say which layers they lack for other architectures', async () => {
    const base = await build();
    Object.assign(base.config, { model_type: 'unheard_of' });
    expect(() => getPeftModel(base, config())).toThrow(
      'no default feedforward_modules for model_type "unheard_of": name them, or give an empty list',
    );
    expect(() => getPeftModel(base, config({ feedforward_modules: [] }))).toThrow('no default target_modules for model_type "unheard_of"');
    expect(() => getPeftModel(base, config({ target_modules: ['embed_tokens'], feedforward_modules: [] }))).toThrow(
      'only Linear, Conv1D and Conv2d layers can',
    );
    const model = getPeftModel(base, config({ target_modules: '.*_proj', feedforward_modules: '.*down_proj' }));
    expect(Object.values(model.adapter().layers).filter(({ is_feedforward }) => is_feedforward)).toHaveLength(1);
    expect(Object.values(model.adapter().layers).every((layer) => layer instanceof Ia3Layer)).toBe(true);
  });

  it('must have feed-forward modules among the targets', () => {
    expect(() => config({ target_modules: ['k_proj'], feedforward_modules: ['down_proj'] })).toThrow('down_proj is not');
    expect(() => config({ target_modules: '.*', feedforward_modules: ['down_proj'] })).not.toThrow();
  });
});

it('warns of nothing in all this', async () => {
  const warnings: string[] = [];
  const previous = setWarningHandler((message) => warnings.push(message));
  const model = await adapted();
  model.mergeAdapter();
  model.unmergeAdapter();
  setWarningHandler(previous);
  expect(warnings).toEqual([]);
});
