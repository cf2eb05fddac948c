import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { gelu, geluTanh, quickGelu, silu, swiglu } from '../../ops/activations';
import { type AttentionOptions, attention } from '../../ops/attention';
import { crossEntropy } from '../../ops/crossEntropy';
import { engineForms, registerEngineForms } from '../../ops/engineForms';
import { layerNorm, rmsNorm } from '../../ops/norms';
import { parameter, tensor } from '../../ops/random.testing';
import { rotary } from '../../ops/rotary';
import { useEngine } from '../index';
import { SOURCE } from './fused';

it('what was compiled from another text is not loaded', () => {
  const source = readFileSync(new URL('../../../native/fusedKernels.cc', import.meta.url));
  expect(SOURCE).toBe(createHash('sha256').update(source).digest('hex').slice(0, 8));
});

const hasNative = Boolean(process.env.PEFT_NATIVE && existsSync(process.env.PEFT_NATIVE));
const weights = (...shape: number[]) => parameter(shape, false);

interface Case {
  inputs: number[][];
  compute(...inputs: tf.Tensor[]): tf.Tensor;
  /** How wide the inputs spread. @default 1 */
  spread?: number;
}

const attended = (shared: number, more: Partial<AttentionOptions>, bias?: number[]): Case => ({
  inputs: [[2, 4, 5, 6], [2, shared, 7, 6], [2, shared, 7, 3], ...(bias ? [bias] : [])],
  compute: (query, key, value, added) =>
    attention({
      query: query as tf.Tensor4D,
      key: key as tf.Tensor4D,
      value: value as tf.Tensor4D,
      scale: 0.4,
      ...(added && { bias: added }),
      ...more,
    }),
});
const masked = (...shape: number[]): Case => {
  const values = tf.util.createShuffledIndices(shape.reduce((a, b) => a * b));
  const mask = tf.tensor(
    Array.from(values, (n) => (n % 3 === 0 ? -1e9 : n / 50)),
    shape,
  );
  return attended(4, { mask });
};
/** Sizes that one thread computes, and that several do. */
const sizes: [number, number][] = [
  [3, 13],
  [301, 259],
];

const cases: Record<string, () => Case> = Object.fromEntries([
  ...sizes.flatMap(([rows, columns]) => {
    const named: Record<string, () => (x: tf.Tensor2D) => tf.Tensor> = {
      gelu: () => gelu,
      geluTanh: () => geluTanh,
      silu: () => silu,
      quickGelu: () => quickGelu,
      layerNorm: () => {
        const [weight, bias] = [weights(columns), weights(columns)];
        return (x) => layerNorm(x, weight, bias);
      },
      'layerNorm without bias': () => {
        const weight = weights(columns);
        return (x) => layerNorm(x, weight, null);
      },
      rmsNorm: () => {
        const weight = weights(columns);
        return (x) => rmsNorm(x, weight, 1e-6, 1);
      },
      crossEntropy: () => {
        const labels = Array.from({ length: rows }, (_, i) => (i * 7) % columns);
        return (x) => crossEntropy(x, labels);
      },
    };
    return Object.entries(named).map(([name, make]) => [
      `${name} of ${rows} rows`,
      () => ({ inputs: [[rows, columns]], compute: make(), spread: 4 }),
    ]);
  }),
  ['swiglu', () => ({ inputs: [sizes[1], sizes[1]], compute: (gate: tf.Tensor, up: tf.Tensor) => swiglu(gate, up), spread: 4 })],
  [
    'rotary',
    () => {
      const [cos, sin] = [tensor([9, 6]), tensor([9, 6])];
      return { inputs: [[9, 12]], compute: (x: tf.Tensor) => rotary(x as tf.Tensor2D, cos, sin, 2) };
    },
  ],
  ['attention', () => attended(4, {})],
  ...[
    [2, 4, 5, 7],
    [2, 1, 1, 7],
    [1, 4, 1, 7],
    [1, 1, 5, 7],
    [2, 4, 1, 7],
  ].map((shape) => [`attention with a mask of [${shape}]`, () => masked(...shape)]),
  ['attention of heads that share keys', () => attended(2, { mask: tensor<tf.Tensor4D>([2, 1, 5, 7]) })],
  ['attention with a bias', () => attended(4, { mask: tensor<tf.Tensor4D>([2, 1, 5, 7]) }, [1, 4, 5, 7])],
  ['attention with a cap', () => attended(4, { softcap: 0.8 })],
]);

/** The largest distance, relative to the largest expected value. */
const farthest = (actual: tf.Tensor, expected: tf.Tensor): number =>
  tf.tidy(() => (tf.max(tf.abs(tf.sub(actual, expected))).dataSync()[0] as number) / (tf.max(tf.abs(expected)).dataSync()[0] as number));

describe.skipIf(!hasNative)('fused kernels', () => {
  beforeAll(async () => {
    const { description } = await useEngine({ engine: 'native', log: () => {} });
    if (!description.includes('fused kernels')) throw new Error('they are not compiled: node scripts/installNative.mjs $PEFT_NATIVE');
  });

  it.each(Object.entries(cases))('%s: value and gradients of the portable form', (_, make) => {
    tf.tidy(() => {
      const { inputs, compute, spread } = make();
      const xs = inputs.map((shape) => tensor<tf.Tensor>(shape, spread));
      const results = () => {
        const before = tf.memory().numTensors;
        const value = compute(...xs);
        const dy = tf.reshape(tf.cos(tf.range(0, value.size)), value.shape);
        const gradients = tf.grads((...all) => compute(...all))(xs, dy);
        return { all: [value, ...gradients], more: tf.memory().numTensors - before };
      };
      const forms = engineForms();
      const own = results();
      registerEngineForms('tensorflow', {});
      try {
        const portable = results();
        own.all.forEach((t, i) => void expect(farthest(t, portable.all[i] as tf.Tensor)).toBeLessThan(3e-6));
        expect(own.more).toBe(portable.more);
      } finally {
        registerEngineForms('tensorflow', forms);
      }
    });
  });

  it('extreme numbers', () => {
    tf.tidy(() => {
      const x = tf.tensor1d([0, -20, 20, -1e30, 1e30, Number.NaN]);
      for (const f of [gelu, geluTanh, silu, quickGelu]) {
        const [zero, low, high, lowest, highest, nothing] = [...f(x).dataSync()] as [number, number, number, number, number, number];
        expect([zero, high, highest, nothing]).toEqual([0, 20, Math.fround(1e30), Number.NaN]);
        expect(Math.abs(low)).toBeLessThan(1e-6);
        expect(Math.abs(lowest)).toBe(0);
      }
    });
  });

  it('says which shapes do not belong together', () => {
    expect(() => tf.tidy(() => engineForms().swiglu?.(tf.ones([2, 3]), tf.ones([3, 3])))).toThrow('the shapes do not belong together');
  });
});
