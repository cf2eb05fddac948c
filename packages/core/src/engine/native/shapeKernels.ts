import * as tf from '@tensorflow/tfjs-core';
import type { NativeKernels } from './kernels';
import { size } from './product';

/**
 * Kernels in place of tfjs-node's for operations that are told a shape, axes or an order: it makes a tensor of them at each call,
 * which takes longer than the operation itself where rows are few.
 */
export function shapeKernels(k: NativeKernels): tf.KernelConfig[] {
  const kernel = (kernelName: string, compute: (x: tf.Tensor, attributes: Record<string, unknown>) => number): tf.KernelConfig => ({
    kernelName,
    backendName: 'tensorflow',
    kernelFunc: ({ inputs, attrs }) => {
      const x = inputs.x as tf.Tensor;
      return k.compute(() => compute(x, attrs as Record<string, unknown>));
    },
  });
  const reduced = (x: tf.Tensor, axis: unknown) => tf.util.parseAxisParam((axis ?? null) as number[], x.shape);
  return [
    kernel(tf.Reshape, (x, { shape }) => k.reshape(k.of(x), tf.util.inferFromImplicitShape(shape as number[], size(x.shape)))),
    kernel(tf.Transpose, (x, { perm }) => k.transpose(k.of(x), perm as number[])),
    kernel(tf.Slice, (x, { begin, size }) =>
      k.slice(k.of(x), ...(tf.slice_util.parseSliceParams(x, begin as number[], size as number[]) as [number[], number[]])),
    ),
    kernel(tf.Sum, (x, { axis, keepDims }) => k.sum(k.of(x), reduced(x, axis), keepDims as boolean)),
    kernel(tf.Mean, (x, { axis, keepDims }) =>
      k.mean(x.dtype === 'float32' ? k.of(x) : k.toFloat(k.of(x)), reduced(x, axis), keepDims as boolean),
    ),
  ];
}

/** Puts kernels where others of their names are. */
export function replaceKernels(kernels: readonly tf.KernelConfig[]): void {
  for (const kernel of kernels) {
    tf.unregisterKernel(kernel.kernelName, kernel.backendName);
    tf.registerKernel(kernel);
  }
}
