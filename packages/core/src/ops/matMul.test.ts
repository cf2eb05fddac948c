import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { matMul } from './matMul';
import { difference, tensor } from './random.testing';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

it.each([
  [[], [5, 7], [7, 3]],
  [
    [2, 3],
    [5, 7],
    [7, 3],
  ],
  [
    [2, 3],
    [40, 33],
    [33, 30],
  ],
] as const)('batch [%s]: equals tf.matMul, with and without transposes', (batch, [M, K], [, N]) => {
  for (const transposeA of [false, true])
    for (const transposeB of [false, true]) {
      const a = tensor<tf.Tensor>([...batch, ...(transposeA ? [K, M] : [M, K])]);
      const b = tensor<tf.Tensor>([...batch, ...(transposeB ? [N, K] : [K, N])]);
      const before = tf.memory().numTensors;
      const product = matMul(a, b, transposeA, transposeB);
      expect(tf.memory().numTensors).toBe(before + 1);
      expect(product.shape).toEqual([...batch, M, N]);
      expect(
        difference(
          product,
          tf.tidy(() => tf.matMul(a, b, transposeA, transposeB)),
        ),
      ).toBeLessThan(1e-4);
    }
});
