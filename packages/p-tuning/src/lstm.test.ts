import '@tensorflow/tfjs-backend-wasm';
import { Generator, Parameter } from '@peft/core';
import { checkGradients } from '@peft/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { lstm } from './lstm';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

const random = new Generator(4);
const parameter = (...shape: number[]) => {
  const made = new Parameter(shape);
  made.set(random.normal(made.size, 0, 0.5));
  return made;
};

it.each([false, true])('has the gradients of finite differences (reverse: %s)', (reverse) => {
  const [x, weights] = [
    parameter(4, 3),
    { weight_ih: parameter(8, 3), weight_hh: parameter(8, 2), bias_ih: parameter(8), bias_hh: parameter(8) },
  ];
  checkGradients(() => lstm(x.value as unknown as tf.Tensor2D, weights, reverse), [x, ...Object.values(weights)]);
});

it('reads a sequence from either end', () => {
  const weights = { weight_ih: parameter(8, 3), weight_hh: parameter(8, 2), bias_ih: parameter(8), bias_hh: parameter(8) };
  const x = tf.tensor2d(random.normal(12), [4, 3]);
  const forwards = lstm(tf.reverse(x, 0), weights, false).arraySync();
  expect(lstm(x, weights, true).arraySync()).toEqual(forwards.reverse());
});
