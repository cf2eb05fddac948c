import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkGradients } from '../../../testing/src/gradcheck';
import { tensor } from './random.testing';
import { relativeScores } from './relativeScores';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

describe('relativeScores', () => {
  it.each([
    [2, 4, 3, 5],
    [1, 1, 2, 3],
    [3, 2, 1, 2],
  ])('batch %i, %i positions, %i heads of size %i: value and gradients', (B, T, H, D) => {
    const [x, table] = [tensor([B * T, H * D]) as tf.Tensor2D, tensor([2 * T, H * D]) as tf.Tensor2D];
    const [left, right] = [x.arraySync(), table.arraySync()];
    const inner = (a: number[], b: number[], h: number) => {
      let sum = 0;
      for (let d = h * D; d < (h + 1) * D; d++) sum += (a[d] as number) * (b[d] as number);
      return sum;
    };
    const before = tf.memory().numTensors;
    const scores = relativeScores(x, table, B, H);
    expect(scores.shape).toEqual([B, H, T, T]);
    const actual = scores.arraySync();
    scores.dispose();
    for (let b = 0; b < B; b++)
      for (let h = 0; h < H; h++)
        for (let i = 0; i < T; i++)
          for (let j = 0; j < T; j++)
            expect(actual[b]?.[h]?.[i]?.[j]).toBeCloseTo(inner(left[b * T + i] as number[], right[j - i + T - 1] as number[], h), 5);
    checkGradients((a, b) => relativeScores(a as tf.Tensor2D, b as tf.Tensor2D, B, H), [x, table]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuses a table of another length', () => {
    expect(() => relativeScores(tf.zeros([6, 4]), tf.zeros([5, 4]), 2, 2)).toThrow('3 positions need a table of 6 distances');
  });
});
