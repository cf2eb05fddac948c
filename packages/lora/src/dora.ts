import { differentiable, type Parameter } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * DoRA's output: the sum of base and low-rank part, rescaled column by column to a trained magnitude, then the bias.
 * y = (m / n)·(u − b) + b, where n, the norm of the combined weight, counts as a constant (section 4.3 of the paper).
 * @param u [N, out], base with bias plus low-rank part
 * @param magnitude [out]
 * @param norm [out]
 * @param bias [out]
 */
export function rescale(u: tf.Tensor2D, magnitude: Parameter, norm: tf.Tensor1D, bias: Parameter | null): tf.Tensor2D {
  const m = tf.reshape(magnitude.value, [-1]);
  const inputs: Record<string, tf.Tensor> = { u };
  if (magnitude.trainable) inputs.magnitude = magnitude.value;
  if (bias?.trainable) inputs.bias = bias.value;
  return differentiable<Record<string, tf.Tensor>, tf.Tensor2D>(inputs, {
    forward: (save) => {
      const gain = tf.div(m, norm); // [out]
      const direction: tf.Tensor2D = bias ? tf.sub(u, bias.value) : u; // [N, out]
      save([gain, norm, ...(magnitude.trainable ? [direction] : [])]);
      const scaled = tf.mul(direction, gain);
      return (bias ? tf.add(scaled, bias.value) : scaled) as tf.Tensor2D;
    },
    backward: (dy, [gain, savedNorm, direction]) => ({
      u: () => tf.mul(dy, gain as tf.Tensor),
      magnitude: () =>
        tf.reshape(tf.div(tf.sum(tf.mul(dy, direction as tf.Tensor), 0), savedNorm as tf.Tensor), magnitude.shape as number[]),
      bias: () => tf.sub(tf.sum(dy, 0), tf.mul(tf.sum(dy, 0), gain as tf.Tensor)),
    }),
  });
}

/** The Euclidean length of each slice of a weight over the axes given. @returns [slices] */
export function lengths(weight: tf.Tensor, axes: number[]): tf.Tensor1D {
  return tf.tidy(() => tf.sqrt(tf.sum(tf.square(weight), axes)) as tf.Tensor1D);
}
