import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../module/Parameter';
import { differentiable } from './differentiable';

/**
 * Each row shifted to mean 0 and scaled to variance 1, times weight, plus bias.
 * @param x [N, C]
 * @param weight [C]
 * @param bias [C]
 * @param eps added to the variance @default 1e-5
 * @returns [N, C]
 */
export function layerNorm(x: tf.Tensor2D, weight: Parameter, bias: Parameter | null, eps = 1e-5): tf.Tensor2D {
  return norm(x, weight, bias, eps, true);
}

/**
 * Each row divided by its root mean square, times weight.
 * @param x [N, C]
 * @param weight [C]
 * @param eps added to the mean square @default 1e-6
 * @returns [N, C]
 */
export function rmsNorm(x: tf.Tensor2D, weight: Parameter, eps = 1e-6): tf.Tensor2D {
  return norm(x, weight, null, eps, false);
}

function norm(x: tf.Tensor2D, weight: Parameter, bias: Parameter | null, eps: number, centred: boolean): tf.Tensor2D {
  const inputs: Record<string, tf.Tensor> = { x };
  if (weight.trainable) inputs.weight = weight.value;
  if (bias?.trainable) inputs.bias = bias.value;
  return differentiable<Record<string, tf.Tensor>, tf.Tensor2D>(inputs, {
    forward: (save) => {
      const shifted = centred ? tf.sub(x, tf.mean(x, 1, true)) : x; // [N, C]
      const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(shifted), 1, true), eps)); // [N, 1]
      const normal = tf.mul(shifted, inverse) as tf.Tensor2D; // [N, C]
      save([normal, inverse]);
      const scaled = tf.mul(normal, weight.value) as tf.Tensor2D;
      return bias ? tf.add(scaled, bias.value) : scaled;
    },
    backward: (dy, saved) => {
      const [normal, inverse] = saved as [tf.Tensor2D, tf.Tensor2D];
      return {
        x: () => {
          const d = tf.mul(dy, weight.value); // [N, C]
          const along = tf.mul(normal, tf.mean(tf.mul(d, normal), 1, true)); // [N, C]
          const rest = tf.sub(d, along);
          return tf.mul(centred ? tf.sub(rest, tf.mean(d, 1, true)) : rest, inverse);
        },
        weight: () => tf.sum(tf.mul(dy, normal), 0),
        bias: () => tf.sum(dy, 0),
      };
    },
  });
}
