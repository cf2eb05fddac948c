import '@tensorflow/tfjs-backend-wasm';
import {
  Conv1D,
  Conv2d,
  Embedding,
  Generator,
  getPeftModel,
  initialize,
  kind,
  Linear,
  Module,
  manualSeed,
  namedParameters,
  type PeftModel,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type CombineOptions, type LoraConfig, loraConfig } from '../index';

class Net extends Module {
  static override readonly [kind]: string = 'Net';
  readonly emb = new Embedding(10, 8);
  readonly lin = new Linear(8, 8);
  readonly mix = new Conv1D(6, 8);
  readonly conv = new Conv2d(1, 3, [2, 2]);

  forward(ids: number[]): tf.Tensor {
    const x = this.mix.forward(this.lin.forward(this.emb.forward(tf.tensor1d(ids, 'int32')))); // [N, 6]
    return this.conv.forward(tf.reshape(x, [ids.length, 2, 3, 1]));
  }
}

const targets = ['emb', 'lin', 'mix', 'conv'];
const ids = [1, 2, 3, 9];

function outputs(model: { forward(x: number[]): tf.Tensor }): number[] {
  return tf.tidy(() => Array.from(model.forward(ids).dataSync()));
}

/** A model with two adapters, `a` and `b`, of random values. */
function twoAdapters(options: Partial<LoraConfig> = {}, other: Partial<LoraConfig> = options) {
  manualSeed(1);
  const net = new Net();
  initialize(net);
  const model = getPeftModel(net, loraConfig({ r: 2, lora_alpha: 3, target_modules: targets, ...options }), { adapterName: 'a' });
  model.addAdapter('b', loraConfig({ r: 2, lora_alpha: 5, target_modules: targets, ...other }));
  const random = new Generator(2);
  for (const name of ['a', 'b'])
    for (const parameter of Object.values(model.adapterState(name))) parameter.set(random.normal(parameter.size, 0, 0.3));
  return model;
}

/** All weights of the base with an adapter merged in. */
function weightsWith(model: PeftModel<Net, never>, name?: string): number[] {
  if (name) model.mergeAdapter({ adapterNames: [name] });
  const read = [...namedParameters(model.getBaseModel())]
    .filter(([path]) => /(weight|bias)$/.test(path) && !path.includes('lora_'))
    .flatMap(([, { value }]) => [...value.dataSync()]);
  if (name) model.unmergeAdapter();
  return read;
}

/** base + Σ weight·(merged − base). */
function expected(model: PeftModel<Net, never>, weights: Readonly<Record<string, number>>): number[] {
  const base = weightsWith(model);
  const sum = [...base];
  for (const [name, weight] of Object.entries(weights))
    weightsWith(model, name).forEach((value, i) => {
      (sum[i] as number) += weight * (value - (base[i] as number));
    });
  return sum;
}

const far = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))));

function combined(model: PeftModel<Net, never>, options: CombineOptions, weights = [0.7, -0.4]): number[] {
  model.addWeightedAdapter(['a', 'b'], weights, 'c', options as never);
  const values = weightsWith(model, 'c');
  model.deleteAdapter('c');
  return values;
}

beforeAll(async () => {
  await tf.setBackend('wasm');
});

describe.each<[string, Partial<LoraConfig>, Partial<LoraConfig>]>([
  ['plain adapters', {}, {}],
  ['a rank-stabilised one and a plain one', { use_rslora: true }, {}],
  ['patterns', { rank_pattern: { lin: 3 }, alpha_pattern: { mix: 7 } }, {}],
  ['DoRA', { use_dora: true, target_modules: ['lin', 'mix', 'emb'] }, { use_dora: true, target_modules: ['lin', 'mix', 'emb'] }],
  ['DoRA and a plain one', { use_dora: true, target_modules: ['lin', 'mix'] }, { target_modules: ['lin', 'mix'] }],
  ['lora_bias', { lora_bias: true, target_modules: ['lin', 'mix'] }, { lora_bias: true, target_modules: ['lin', 'mix'] }],
])('combining %s', (_, first, second) => {
  it('svd of full rank is the weighted sum of what each changes', () => {
    const model = twoAdapters(first, second) as never;
    // With lora_bias the base must have a bias to be merged into; here it has.
    expect(far(combined(model, { combination_type: 'svd', svd_rank: 8 }), expected(model, { a: 0.7, b: -0.4 }))).toBeLessThan(2e-6);
  });

  it('cat is the weighted sum, where no magnitude stands between', () => {
    if (first.use_dora || second.use_dora) return;
    const model = twoAdapters(first, second) as never;
    expect(far(combined(model, { combination_type: 'cat' }), expected(model, { a: 0.7, b: -0.4 }))).toBeLessThan(2e-6);
  });
});

it('a single source keeps its outputs, DoRA included', () => {
  for (const options of [{}, { use_rslora: true }, { use_dora: true, target_modules: ['lin', 'mix', 'emb'] }]) {
    const model = twoAdapters(options);
    model.addWeightedAdapter(['a'], [1], 'c');
    model.setAdapter('a');
    const own = outputs(model);
    model.setAdapter('c');
    expect(far(outputs(model), own)).toBeLessThan(1e-5);
  }
});

describe('random pruning', () => {
  it.each([
    ['dare_linear', 'linear'],
    ['dare_linear_svd', 'svd'],
    ['dare_ties', 'ties'],
    ['dare_ties_svd', 'ties_svd'],
  ] as const)('%s with density 1 is %s', (random, plain) => {
    const model = twoAdapters() as never;
    const density = 1;
    const other = plain === 'linear' || plain === 'svd' ? {} : { density };
    expect(
      far(
        combined(model, { combination_type: random, density, svd_rank: 8 }),
        combined(model, { combination_type: plain, svd_rank: 8, ...other }),
      ),
    ).toBeLessThan(2e-6);
  });

  it.each([
    ['dare_linear', 'linear'],
    ['dare_linear_svd', 'svd'],
  ] as const)('%s is %s on average over seeds', (random, plain) => {
    const model = twoAdapters() as never;
    const target = combined(model, { combination_type: plain, svd_rank: 8 });
    const base = weightsWith(model);
    const runs = 400;
    const sum = target.map(() => 0);
    const squares = target.map(() => 0);
    for (let seed = 0; seed < runs; seed++) {
      manualSeed(seed);
      combined(model, { combination_type: random, density: 0.6, svd_rank: 8 }).forEach((value, i) => {
        sum[i] = (sum[i] as number) + value;
        squares[i] = (squares[i] as number) + value * value;
      });
    }
    // Of some hundreds of means none may be further off than five standard errors.
    target.forEach((value, i) => {
      const mean = (sum[i] as number) / runs;
      const error = Math.sqrt(Math.max((squares[i] as number) / runs - mean * mean, 0) / runs);
      expect(Math.abs(mean - value)).toBeLessThan(5 * error + 1e-5);
    });
    expect(far(target, base)).toBeGreaterThan(0.05);
  });

  it('gives the same for the same seed', () => {
    const model = twoAdapters() as never;
    const once = (seed: number) => {
      manualSeed(seed);
      return combined(model, { combination_type: 'dare_ties', density: 0.5 });
    };
    expect(once(5)).toEqual(once(5));
    expect(far(once(5), once(6))).toBeGreaterThan(0);
  });
});

it('refuses what cannot be combined before anything is there', () => {
  const model = twoAdapters({}, { r: 3 });
  const before = tf.memory().numTensors;
  const attempt =
    (options: object, names = ['a', 'b'], weights = [1, 1]) =>
    () =>
      model.addWeightedAdapter(names, weights, 'c', options as never);
  expect(attempt({ combination_type: 'sum' })).toThrow(/no combination_type "sum"; there are: linear, ties/);
  expect(attempt({ combination_type: 'linear' })).toThrow(/needs adapters of one rank, these have 2, 3/);
  expect(attempt({ combination_type: 'ties_svd' })).toThrow(/density/);
  expect(attempt({ combination_type: 'dare_linear_svd', density: 0 })).toThrow(/density/);
  expect(attempt({ combination_type: 'dare_linear_svd', density: -1 })).toThrow(/density/);
  expect(attempt({ combination_type: 'svd', svd_clamp: 3 })).toThrow(/quantile/);
  expect(attempt({}, ['a', 'x'])).toThrow(/no adapter "x"/);
  expect(attempt({}, ['a', 'b'], [1])).toThrow(/2 adapters and 1 weights/);
  expect(() => model.addWeightedAdapter(['a'], [1], 'b')).toThrow(/adapter "b" already/);
  expect(tf.memory().numTensors).toBe(before);
  expect(Object.keys(model.peftConfig)).toEqual(['a', 'b']);
});
