import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { Parameter } from '../module/Parameter';
import { Generator } from '../module/random';

const random = new Generator(7);

/** A tensor of normal numbers for a test. */
export function tensor<T extends tf.Tensor = tf.Tensor2D>(shape: number[], std = 1): T {
  return tf.tensor(random.normal(tf.util.sizeFromShape(shape), 0, std), shape) as T;
}

/** A parameter of normal numbers for a test. */
export function parameter(shape: number[], trainable = true): Parameter {
  const result = new Parameter(shape, undefined, trainable);
  result.set(random.normal(result.size));
  return result;
}

/** The largest difference of two tensors' elements. */
export function difference(a: tf.Tensor, b: tf.Tensor): number {
  return tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0] as number);
}

/** Expects a tensor's elements to be close to numbers, to so many decimals. */
export function expectClose(actual: tf.Tensor, expected: readonly number[], decimals = 6): void {
  const data = actual.dataSync();
  expect(data.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(data[i]).toBeCloseTo(value, decimals);
}
