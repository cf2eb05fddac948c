import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../module/Parameter';
import { differentiable } from './differentiable';
import { matMul } from './matMul';
import { patches } from './patches';

export interface Conv2dOptions {
  /** @default [1, 1] */
  stride?: readonly [number, number] | undefined;
  /** Zeros before and after each row and column. @default [0, 0] */
  padding?: readonly [number, number] | undefined;
  /** @default [1, 1] */
  dilation?: readonly [number, number] | undefined;
  /** Into how many groups channels are split that do not see each other. @default 1 */
  groups?: number | undefined;
  /** The kernel's height and width, where the weight is flat. */
  kernelSize?: readonly [number, number] | undefined;
}

/**
 * A two-dimensional convolution.
 * @param x [B, height, width, in]
 * @param weight [out, in / groups, kernel height, kernel width], or without the height where it is 1, or flat: [out, in / groups · kernel height · kernel width]
 * @param bias [out]
 * @returns [B, height', width', out]
 */
export function conv2d(x: tf.Tensor4D, weight: Parameter, bias: Parameter | null = null, options: Conv2dOptions = {}): tf.Tensor4D {
  const { shape } = weight;
  const kernelShape = kernelShapeOf(shape, options);
  const plan = patches(x.shape, kernelShape, options);
  const { groups, positions, taps, groupIn, groupOut, outShape } = plan;
  const depthwise = groups > 1 && groupIn === 1 && groupOut === 1;
  const each = <T>(f: (g: number) => T): T[] => Array.from({ length: groups }, (_, g) => f(g));
  const values = () => tf.reshape(weight.value as tf.Tensor, kernelShape);

  /** A group's patches, [N, taps·in]. */
  const rows = (unfolded: tf.Tensor3D, g: number): tf.Tensor2D =>
    tf.reshape(groups === 1 ? unfolded : tf.slice(unfolded, [0, 0, g * groupIn], [positions, taps, groupIn]), [positions, taps * groupIn]);
  /** A group's kernel, [taps·in, out]. */
  const kernel = (g: number): tf.Tensor2D => {
    const part = groups === 1 ? values() : tf.slice(values(), [g * groupOut, 0, 0, 0], [groupOut, -1, -1, -1]);
    return tf.reshape(tf.transpose(part, [2, 3, 1, 0]), [taps * groupIn, groupOut]);
  };
  /** A group's output channels, [N, out]. */
  const columns = (dy: tf.Tensor4D, g: number): tf.Tensor2D => {
    const all = tf.reshape(dy, [positions, groups * groupOut]) as tf.Tensor2D;
    return groups === 1 ? all : tf.slice(all, [0, g * groupOut], [-1, groupOut]);
  };
  // Where each channel has its own kernel there is nothing to multiply matrices of.
  const channelKernels = () => tf.reshape(tf.transpose(tf.reshape(values(), [groups, taps])), [1, taps, groups]); // [1, taps, C]
  const channelRows = (dy: tf.Tensor4D) => tf.reshape(dy, [positions, 1, groups]); // [N, 1, C]

  const inputs: Record<string, tf.Tensor> = { x };
  if (weight.trainable) inputs.weight = weight.value;
  if (bias?.trainable) inputs.bias = bias.value;
  return differentiable<Record<string, tf.Tensor>, tf.Tensor4D>(inputs, {
    forward: (save) => {
      if (weight.trainable) save([x]);
      const unfolded = plan.unfold(x); // [N, taps, in]
      const product = depthwise
        ? tf.sum(tf.mul(unfolded, channelKernels()), 1)
        : tf.concat(
            each((g) => matMul(rows(unfolded, g), kernel(g))),
            1,
          ); // [N, out]
      return tf.reshape(bias ? tf.add(product, bias.value) : product, outShape); // [B, height', width', out]
    },
    backward: (dy, [saved]) => ({
      x: () => {
        if (depthwise) return plan.fold(tf.mul(channelRows(dy), channelKernels()));
        const parts = each((g) => tf.reshape(matMul(columns(dy, g), kernel(g), false, true), [positions, taps, groupIn]));
        return plan.fold(tf.concat(parts, 2) as tf.Tensor3D);
      },
      weight: () => {
        const unfolded = plan.unfold(saved as tf.Tensor4D);
        if (depthwise) return tf.reshape(tf.transpose(tf.sum(tf.mul(unfolded, channelRows(dy)), 0)), [...shape]);
        const [, , height, width] = kernelShape;
        const parts = each((g) => {
          const product = matMul(rows(unfolded, g), columns(dy, g), true); // [taps·in, out]
          return tf.transpose(tf.reshape(product, [height, width, groupIn, groupOut]), [3, 2, 0, 1]);
        });
        return tf.reshape(tf.concat(parts, 0), [...shape]);
      },
      bias: () => tf.sum(tf.reshape(dy, [positions, groups * groupOut]), 0),
    }),
  });
}

function kernelShapeOf(shape: readonly number[], { kernelSize }: Conv2dOptions): [number, number, number, number] {
  const [out, columns, ...size] = shape as [number, number, ...number[]];
  if (size.length > 0) return [out, columns, size.length === 1 ? 1 : (size[0] as number), size.at(-1) as number];
  if (!kernelSize) throw new Error('a flat kernel needs kernelSize, its height and width');
  return [out, columns / (kernelSize[0] * kernelSize[1]), ...kernelSize];
}
