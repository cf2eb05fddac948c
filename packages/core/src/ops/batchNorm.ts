import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../module/Parameter';
import { differentiable } from './differentiable';

/** Mean and variance of each channel, both [C]. */
export interface ChannelStatistics {
  mean: tf.Tensor;
  variance: tf.Tensor;
}

/**
 * Each channel shifted and scaled to mean 0 and variance 1, times weight, plus bias.
 * @param x [N, C]
 * @param weight [C]
 * @param bias [C]
 * @param statistics those of the channels so far, or none: then those of the N rows, which the gradient goes through
 * @param eps added to the variance @default 1e-5
 * @returns [N, C]
 */
export function batchNorm(x: tf.Tensor2D, weight: Parameter, bias: Parameter, statistics?: ChannelStatistics, eps = 1e-5): tf.Tensor2D {
  const inputs: Record<string, tf.Tensor> = { x };
  if (weight.trainable) inputs.weight = weight.value;
  if (bias.trainable) inputs.bias = bias.value;
  return differentiable<Record<string, tf.Tensor>, tf.Tensor2D>(inputs, {
    forward: (save) => {
      const { mean, variance } = statistics ?? channelStatistics(x);
      const inverse = tf.rsqrt(tf.add(variance, eps)); // [C]
      const normal = tf.mul(tf.sub(x, mean), inverse) as tf.Tensor2D; // [N, C]
      save([normal, inverse]);
      return tf.add(tf.mul(normal, weight.value), bias.value) as tf.Tensor2D;
    },
    backward: (dy, saved) => {
      const [normal, inverse] = saved as [tf.Tensor2D, tf.Tensor1D];
      return {
        x: () => {
          const d = tf.mul(dy, weight.value); // [N, C]
          if (statistics) return tf.mul(d, inverse);
          const along = tf.mul(normal, tf.mean(tf.mul(d, normal), 0));
          return tf.mul(tf.sub(tf.sub(d, along), tf.mean(d, 0)), inverse);
        },
        weight: () => tf.sum(tf.mul(dy, normal), 0),
        bias: () => tf.sum(dy, 0),
      };
    },
  });
}

/** Over the rows of x [N, C]; the variance is that of the rows themselves (divided by N). Not differentiable. */
export function channelStatistics(x: tf.Tensor2D): ChannelStatistics {
  const mean = tf.mean(x, 0); // [C]
  return { mean, variance: tf.mean(tf.square(tf.sub(x, mean)), 0) };
}
