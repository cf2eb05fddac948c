import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../module/Parameter';
import { differentiable } from './differentiable';
import { inferenceForms, onceDifferentiable } from './engineForms';

/**
 * Each row shifted to mean 0 and scaled to variance 1, times weight, plus bias.
 * @param x [N, C]
 * @param weight [C]
 * @param bias [C]
 * @param eps added to the variance @default 1e-5
 * @returns [N, C]
 */
export function layerNorm(x: tf.Tensor2D, weight: Parameter, bias: Parameter | null, eps = 1e-5): tf.Tensor2D {
  return norm(x, weight, bias, eps, true, 0);
}

/**
 * Each row divided by its root mean square, times weight.
 * @param x [N, C]
 * @param weight [C]
 * @param eps added to the mean square @default 1e-6
 * @param offset added to the weight: Gemma's start from 0 and mean 1 @default 0
 * @returns [N, C]
 */
export function rmsNorm(x: tf.Tensor2D, weight: Parameter, eps = 1e-6, offset = 0): tf.Tensor2D {
  return norm(x, weight, null, eps, false, offset);
}

function norm(x: tf.Tensor2D, weight: Parameter, bias: Parameter | null, eps: number, centred: boolean, offset: number): tf.Tensor2D {
  const factor = (): tf.Tensor => (offset === 0 ? weight.value : tf.add(weight.value, offset));
  const form = inferenceForms().norm;
  if (form) return tf.tidy(() => form(x, factor(), bias?.value, eps, centred));
  const { norm: normed, normGradient } = onceDifferentiable();
  if (normed && normGradient && !weight.trainable && !bias?.trainable)
    return differentiable<{ x: tf.Tensor2D }, tf.Tensor2D>(
      { x },
      {
        forward: (save) => {
          save([x]);
          return normed(x, factor(), bias?.value, eps, centred);
        },
        backward: (dy, [saved]) => ({ x: () => normGradient(dy, saved as tf.Tensor2D, factor(), eps, centred) }),
      },
    );
  const inputs: Record<string, tf.Tensor> = { x };
  if (weight.trainable) inputs.weight = weight.value;
  if (bias?.trainable) inputs.bias = bias.value;
  return differentiable<Record<string, tf.Tensor>, tf.Tensor2D>(inputs, {
    forward: (save) => {
      const shifted = centred ? tf.sub(x, rowMeans(x)) : x; // [N, C]
      const inverse = tf.rsqrt(tf.add(rowMeans(tf.square(shifted)), eps)); // [N, 1]
      const normal = tf.mul(shifted, inverse) as tf.Tensor2D; // [N, C]
      save([normal, inverse]);
      const scaled = tf.mul(normal, factor()) as tf.Tensor2D;
      return bias ? tf.add(scaled, bias.value) : scaled;
    },
    backward: (dy, saved) => {
      const [normal, inverse] = saved as [tf.Tensor2D, tf.Tensor2D];
      return {
        x: () => {
          const d = tf.mul(dy, factor()); // [N, C]
          const along = tf.mul(normal, rowMeans(tf.mul(d, normal))); // [N, C]
          const rest = tf.sub(d, along);
          return tf.mul(centred ? tf.sub(rest, rowMeans(d)) : rest, inverse);
        },
        weight: () => tf.sum(tf.mul(dy, normal), 0),
        bias: () => tf.sum(dy, 0),
      };
    },
  });
}

/**
 * The mean of each row, [N, 1]. wasm adds one number after the other, so that rounding grows with the row's length; in long
 * rows means of eight parts keep it as small as PyTorch's (at 768 columns a fifth).
 */
function rowMeans(x: tf.Tensor): tf.Tensor {
  const [rows, columns] = x.shape as [number, number];
  if (tf.getBackend() !== 'wasm' || columns < 128 || columns % 8 !== 0) return tf.mean(x, 1, true);
  return tf.mean(tf.mean(tf.reshape(x, [rows, 8, columns / 8]), 2), 1, true);
}
