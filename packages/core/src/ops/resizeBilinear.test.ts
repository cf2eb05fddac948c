import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkGradients } from '../../../testing/src/gradcheck';
import { expectClose, tensor } from './random.testing';
import { resizeBilinear } from './resizeBilinear';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

describe('resizeBilinear', () => {
  it('gives what PyTorch gives', () => {
    // torch.nn.functional.interpolate(…, mode="bilinear", align_corners=False)
    const image = tf.tensor4d([1, 2, 3, 4, 5, 6], [1, 2, 3, 1]);
    expectClose(
      resizeBilinear(image, [4, 5]),
      [1, 1.4, 2, 2.6, 3, 1.75, 2.15, 2.75, 3.35, 3.75, 3.25, 3.65, 4.25, 4.85, 5.25, 4, 4.4, 5, 5.6, 6],
      5,
    );
  });

  it.each([
    [
      [2, 2, 3, 2],
      [4, 6],
    ],
    [
      [1, 3, 2, 1],
      [7, 5],
    ],
    [
      [2, 1, 1, 2],
      [3, 2],
    ],
    [
      [1, 4, 5, 1],
      [3, 5],
    ],
  ])('has the gradient of %j to %j', (shape, size) => {
    const x = tensor<tf.Tensor4D>(shape);
    const before = tf.memory().numTensors;
    checkGradients((a) => resizeBilinear(a as tf.Tensor4D, size as [number, number]), [x], { epsilon: 0.5 });
    expect(tf.memory().numTensors).toBe(before);
  });
});
