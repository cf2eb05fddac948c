import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { useEngine } from '../index';

const hasNative = Boolean(process.env.PEFT_NATIVE && existsSync(process.env.PEFT_NATIVE));

it.skipIf(!hasNative)('shapes, orders and axes give what they give on wasm', async () => {
  const results = () =>
    tf.tidy(() => {
      const x = tf.reshape(tf.range(0, 24, 1, 'float32'), [2, 3, 4]);
      const whole = tf.cast(x, 'int32');
      const isSmall = tf.less(x, 5);
      const all = {
        flat: tf.reshape(x, [-1]),
        scalar: tf.reshape(tf.slice(x, [1, 2, 3], [1, 1, 1]), []),
        truths: tf.reshape(isSmall, [4, 6]),
        turned: tf.transpose(whole, [2, 0, 1]),
        reversed: tf.transpose(x),
        block: tf.slice(x, [0, 1], [2, -1]),
        sum: tf.sum(x),
        truthsCounted: tf.sum(isSmall, [0, -1]),
        rowSums: tf.sum(whole, -1, true),
        mean: tf.mean(x),
        columnMeans: tf.mean(x, [0, 1], true),
        meanOfIntegers: tf.mean(whole, 2),
        meanOfTruths: tf.mean(isSmall, 0),
        sumOfOne: tf.sum(tf.scalar(3)),
      };
      return Object.entries(all).map(([name, t]) => [name, t.shape, t.dtype, Array.from(t.dataSync())]);
    });
  await useEngine({ engine: 'wasm', log: () => {} });
  const expected = results();
  await useEngine({ engine: 'native', log: () => {} });
  const before = tf.memory().numTensors;
  expect(results()).toEqual(expected);
  expect(tf.memory().numTensors).toBe(before);
});
