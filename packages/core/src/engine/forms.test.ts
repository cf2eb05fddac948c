import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { gelu, geluTanh, silu, swiglu } from '../ops/activations';
import { asOneGraph } from '../ops/asOneGraph';
import { attention, splitHeads } from '../ops/attention';
import { engineForms, registerEngineForms } from '../ops/engineForms';
import { linear, linearTransposed } from '../ops/linear';
import { lowRank } from '../ops/lowRank';
import { matMul } from '../ops/matMul';
import { layerNorm, rmsNorm } from '../ops/norms';
import { parameter, tensor } from '../ops/random.testing';
import { rotary } from '../ops/rotary';
import { writePositions } from '../ops/writePositions';
import { useEngine } from './index';

const hasNative = Boolean(process.env.PEFT_NATIVE && existsSync(process.env.PEFT_NATIVE));
const four = (...shape: number[]) => tensor<tf.Tensor4D>(shape);
const weights = (...shape: number[]) => parameter(shape, false);
const attended = (T: number, shared: number, more: object = {}) => {
  const inputs = {
    query: four(2, 4, T, 6),
    key: four(2, shared, 7, 6),
    value: four(2, shared, 7, 5),
    mask: four(2, 1, T, 7),
    scale: 0.3,
    ...more,
  };
  return () => attention(inputs);
};
const turned = (rows: number) => {
  const [x, cos, sin] = [tensor([rows, 12]), tensor([rows, 6]), tensor([rows, 6])];
  return () => rotary(x, cos, sin, 2);
};
const written = (T: number) => {
  const [cache, x] = [four(2, 3, 8, 4), four(2, 3, T, 4)];
  return () => writePositions(tf.clone(tf.add(cache, 0)) as tf.Tensor4D, x, 5);
};
const ranked = (rows: number) => {
  const [base, x, A, B] = [tensor([rows, 4]), tensor([rows, 5]), weights(2, 5), weights(4, 2)];
  return () => tf.concat([lowRank(base, x, A, B, 0.7), lowRank(base, x, A, B, 1)]);
};
const normed = (rows: number) => {
  const [x, weight, bias] = [tensor([rows, 12]), weights(12), weights(12)];
  return () => tf.concat([layerNorm(x, weight, bias), rmsNorm(x, weight), rmsNorm(x, weight, 1e-6, 1)]);
};
const pointwise = (f: (x: tf.Tensor2D) => tf.Tensor) => {
  const x = tensor([3, 5], 3);
  return () => f(x);
};

/** The largest distance, relative to the largest expected value. */
const farthest = (actual: tf.Tensor, expected: tf.Tensor): number =>
  tf.tidy(() => (tf.max(tf.abs(tf.sub(actual, expected))).dataSync()[0] as number) / (tf.max(tf.abs(expected)).dataSync()[0] as number));

/** Each makes its inputs once and gives what computes with them. */
const cases: Record<string, () => () => tf.Tensor> = {
  ...Object.fromEntries(
    [false, true].flatMap((a) =>
      [false, true].map((b) => [
        `a product, transposed ${a}, ${b}`,
        () => {
          const [left, right] = [tensor(a ? [5, 3] : [3, 5]), tensor(b ? [4, 5] : [5, 4])];
          return () => matMul(left, right, a, b);
        },
      ]),
    ),
  ),
  'a batch of products': () => {
    const [left, right] = [tensor<tf.Tensor3D>([2, 3, 5]), tensor<tf.Tensor3D>([2, 4, 5])];
    return () => matMul<tf.Tensor>(left, right, false, true);
  },
  linear: () => {
    const [x, weight, bias] = [tensor([3, 5]), weights(4, 5), weights(4)];
    return () => tf.concat([linear(x, weight, bias), linear(x, weight)]);
  },
  linearTransposed: () => {
    const [x, weight, bias] = [tensor([3, 5]), weights(5, 4), weights(4)];
    return () => linearTransposed(x, weight, bias);
  },
  'linear and linearTransposed of one row': () => {
    const [x, weight, bias, turned] = [tensor([1, 5]), weights(4, 5), weights(4), weights(5, 4)];
    return () => tf.concat([linear(x, weight, bias), linearTransposed(x, turned)]);
  },
  // As many weights as several threads share, in numbers of rows and columns that they can and cannot.
  ...Object.fromEntries(
    [
      [100, 4000],
      [101, 4001],
    ].map(([inner, outer]) => [
      `one row of ${inner} by ${outer}`,
      () => {
        const [x, weight, turned] = [
          tensor([1, inner as number]),
          weights(outer as number, inner as number),
          weights(inner as number, outer as number),
        ];
        return () => tf.concat([linear(x, weight), linearTransposed(x, turned)]);
      },
    ]),
  ),
  lowRank: () => ranked(3),
  'lowRank of one row': () => ranked(1),
  norms: () => normed(3),
  'norms of one row': () => normed(1),
  rotary: () => turned(3),
  'rotary of one row': () => turned(1),
  splitHeads: () => {
    const x = tensor([6, 8]);
    return () => splitHeads(x, 2, 4);
  },
  'splitHeads of one position': () => {
    const x = tensor([2, 8]);
    return () => splitHeads(x, 2, 4);
  },
  attention: () => attended(3, 4),
  'attention of one position': () => attended(1, 4),
  'attention of heads that share keys': () => attended(3, 2),
  'attention of one position, heads that share keys, with a cap and a bias': () => attended(1, 1, { softcap: 2, bias: four(1, 4, 1, 7) }),
  'attention of some positions': () => attended(3, 4, { rows: Int32Array.of(1, 2, 5) }),
  writePositions: () => written(1),
  'writePositions of several': () => written(3),
  gelu: () => pointwise(gelu),
  geluTanh: () => pointwise(geluTanh),
  silu: () => pointwise(silu),
  swiglu: () => {
    const [gate, up] = [tensor([3, 5]), tensor([3, 5])];
    return () => swiglu(gate, up);
  },
};

describe.each([
  ['wasm', true],
  ['native', hasNative],
] as const)('forms of the %s engine', (engine, isThere) => {
  beforeAll(async () => {
    if (isThere) await useEngine({ engine, log: () => {} });
  });

  it.skipIf(!isThere).each(Object.entries(cases))('%s: what the portable form computes', (_, make) => {
    const backend = tf.getBackend();
    const forms = engineForms();
    const used = new Set<string>();
    const watched = new Proxy(forms, {
      get(target, name) {
        if (name in target) used.add(name as string);
        return Reflect.get(target, name);
      },
    });
    try {
      tf.tidy(() => {
        const compute = make();
        registerEngineForms(backend, watched);
        const before = tf.memory().numTensors;
        const own = compute();
        const more = tf.memory().numTensors - before;
        registerEngineForms(backend, {});
        const portable = compute();
        expect(own.shape).toEqual(portable.shape);
        const portableMore = tf.memory().numTensors - before - more;
        expect(farthest(own, portable)).toBeLessThan(1e-6);
        // wasm keeps a weight that it turned.
        expect(more).toBeLessThanOrEqual(portableMore + 1);
        registerEngineForms(backend, forms);
        // Often enough to become a graph where there are graphs.
        for (let i = 0; i < 9; i++) tf.tidy(() => void expect(farthest(asOneGraph(compute), own)).toBeLessThan(1e-6));
      });
    } finally {
      registerEngineForms(backend, forms);
    }
    if (engine === 'native') expect([...used]).not.toEqual([]);
  });

  it.skipIf(!isThere)('a long generation needs more constants than are kept', () => {
    tf.tidy(() => {
      const length = 600;
      const cache = tf.zeros<tf.Rank.R4>([1, 1, length, 2]);
      const [x, zero, one] = [tf.tensor2d([[1, 2]]), tf.zeros<tf.Rank.R2>([1, 2]), tf.ones<tf.Rank.R2>([1, 2])];
      for (let position = 0; position < length; position++)
        tf.tidy(() => void writePositions(cache, tf.reshape(rotary(x, zero, one, 1), [1, 1, 1, 2]), position));
      expect([...cache.dataSync()]).toEqual(Array.from({ length: 2 * length }, (_, i) => 2 - (i % 2)));
    });
  });

  it.skipIf(!isThere)('a cache is changed in place', () => {
    tf.tidy(() => {
      const cache = tf.zeros<tf.Rank.R4>([1, 2, 3, 2]);
      expect(writePositions(cache, tf.ones([1, 2, 1, 2]), 1)).toBe(cache);
      expect([...cache.dataSync()]).toEqual([0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0]);
      expect(() => writePositions(cache, tf.ones([1, 2, 2, 2]), 2)).toThrow('positions 2 to 3 cannot be written into a cache of 3');
    });
  });
});

describe.skipIf(!hasNative)('products of less precision', () => {
  it.each(['highest', 'medium'] as const)('%s', async (matmulPrecision) => {
    const { description } = await useEngine({ engine: 'native', matmulPrecision, log: () => {} });
    const rounds = description.includes('bfloat16');
    if (matmulPrecision === 'highest') expect(rounds).toBe(false);
    const error = (size: number) =>
      tf.tidy(() => {
        const [a, b] = [tensor([size, 256]), tensor([size, 256])];
        const product = matMul(a, b, false, true);
        const exact = tf.sum(tf.mul(tf.expandDims(a, 1), tf.expandDims(b, 0)), 2);
        return (tf.max(tf.abs(tf.sub(product, exact))).dataSync()[0] as number) / (tf.max(tf.abs(exact)).dataSync()[0] as number);
      });
    expect(error(96)).toBeLessThan(rounds ? 1e-2 : 1e-6);
    if (rounds) expect(error(96)).toBeGreaterThan(1e-4);
    expect(error(8)).toBeLessThan(1e-6);
  });
});
