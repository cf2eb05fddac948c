import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { differentiable } from './differentiable';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

it('frees saved, shared and spent tensors node by node, and calls only the gradients needed', () => {
  const alive: number[] = [];
  const frozen = tf.ones([4]);
  const square = (x: tf.Tensor) =>
    differentiable(
      { x, frozen: frozen as tf.Tensor },
      {
        forward: (save) => {
          save([x]);
          return tf.square(x);
        },
        backward: (dy, [saved]) => {
          alive.push(tf.memory().numTensors);
          const slope = tf.mul(saved as tf.Tensor, 2);
          return {
            x: () => tf.mul(dy, slope),
            frozen: () => {
              throw new Error('nothing trainable stands behind this input');
            },
          };
        },
      },
    );
  const x = tf.tensor1d([1, 1.1, 0.9, 1]);
  const before = tf.memory().numTensors;
  const gradient = tf.grad((a: tf.Tensor) => square(square(square(square(a)))))(x);
  expect(tf.memory().numTensors).toBe(before + 1);
  expect(gradient.dataSync()[1]).toBeCloseTo(16 * 1.1 ** 15, 3);
  // Each node adds its slope and its gradient, and frees the last node's slope, gradient and saved x.
  expect(alive.slice(2).map((count, i) => count - (alive[i + 1] as number))).toEqual([-1, -1]);
});

it('a shared tensor may itself be a gradient', () => {
  const twice = (x: tf.Tensor, y: tf.Tensor) =>
    differentiable(
      { x, y },
      {
        forward: () => tf.mul(tf.add(x, y), 2),
        backward: (dy) => {
          const both = tf.mul(dy, 2);
          return { x: () => both, y: () => both };
        },
      },
    );
  const [x, y] = [tf.scalar(1), tf.scalar(2)];
  const gradients = tf.grads((a: tf.Tensor, b: tf.Tensor) => twice(twice(a, b), twice(a, a)))([x, y]);
  expect(gradients.map((gradient) => gradient.dataSync()[0])).toEqual([12, 4]);
});
