import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkGradients } from '../../../testing/src/gradcheck';
import { batchNorm } from './batchNorm';
import { expectClose, parameter, tensor } from './random.testing';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

describe('batchNorm', () => {
  it('uses given statistics as constants', () => {
    const [x, weight, bias] = [tensor([5, 3]), parameter([3]), parameter([3])];
    const statistics = { mean: tf.tensor1d([0.1, -0.2, 0.3]), variance: tf.tensor1d([0.5, 1, 2]) };
    const [w, b] = [weight.value.dataSync(), bias.value.dataSync()];
    const [means, variances] = [statistics.mean.dataSync(), statistics.variance.dataSync()];
    const at = (values: ArrayLike<number>, c: number) => values[c] as number;
    expectClose(
      batchNorm(x, weight, bias, statistics),
      Array.from(x.dataSync(), (value, i) => {
        const c = i % 3;
        return ((value - at(means, c)) / Math.sqrt(at(variances, c) + 1e-5)) * at(w, c) + at(b, c);
      }),
      5,
    );
    const before = tf.memory().numTensors;
    checkGradients((a) => batchNorm(a as tf.Tensor2D, weight, bias, statistics), [x, weight, bias]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('normalises by the rows themselves', () => {
    const [x, weight, bias] = [tensor([6, 2]), parameter([2]), parameter([2])];
    weight.set([1, 1]);
    bias.set([0, 0]);
    const y = batchNorm(x, weight, bias);
    expectClose(tf.mean(y, 0), [0, 0], 5);
    expectClose(tf.mean(tf.square(y), 0), [1, 1], 3);
    weight.set([0.7, -1.3]);
    checkGradients((a) => batchNorm(a as tf.Tensor2D, weight, bias), [x, weight, bias]);
  });
});
