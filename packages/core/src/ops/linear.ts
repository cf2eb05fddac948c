import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../module/Parameter';
import { differentiable } from './differentiable';
import { inferenceForms } from './engineForms';
import { matMul } from './matMul';

/**
 * y = x·Wᵀ + b.
 * @param x [N, in]
 * @param weight [out, in]
 * @param bias [out]
 * @returns [N, out]
 */
export function linear(x: tf.Tensor2D, weight: Parameter, bias?: Parameter | null): tf.Tensor2D {
  const w = weight.value as unknown as tf.Tensor2D;
  const forward = (): tf.Tensor2D =>
    tf.getBackend() === 'wasm' && !weight.trainable ? tf.matMul(x, weight.transposed) : matMul(x, w, false, true); // [N, out]
  return affine(
    x,
    weight,
    bias,
    true,
    forward,
    (dy) => matMul(dy, w),
    (dy, saved) => matMul(dy, saved, true),
  );
}

/**
 * y = x·W + b, with the weight the other way round, as GPT-2's checkpoints hold it.
 * @param x [N, in]
 * @param weight [in, out]
 * @param bias [out]
 * @returns [N, out]
 */
export function linearTransposed(x: tf.Tensor2D, weight: Parameter, bias?: Parameter | null): tf.Tensor2D {
  const w = weight.value as unknown as tf.Tensor2D;
  const inputGradient = (dy: tf.Tensor2D): tf.Tensor2D =>
    tf.getBackend() === 'wasm' && !weight.trainable ? tf.matMul(dy, weight.transposed) : matMul(dy, w, false, true);
  return affine(
    x,
    weight,
    bias,
    false,
    () => matMul(x, w),
    inputGradient,
    (dy, saved) => matMul(saved, dy, true),
  );
}

function affine(
  x: tf.Tensor2D,
  weight: Parameter,
  bias: Parameter | null | undefined,
  transposed: boolean,
  product: () => tf.Tensor2D,
  inputGradient: (dy: tf.Tensor2D) => tf.Tensor2D,
  weightGradient: (dy: tf.Tensor2D, x: tf.Tensor2D) => tf.Tensor2D,
): tf.Tensor2D {
  const form = inferenceForms().affine;
  if (form) return form(x, weight.value, bias?.value, transposed);
  // Frozen weights are no inputs: then x need not be kept for their gradient.
  const inputs: Record<string, tf.Tensor> = { x };
  if (weight.trainable) inputs.weight = weight.value;
  if (bias?.trainable) inputs.bias = bias.value;
  return differentiable<Record<string, tf.Tensor>, tf.Tensor2D>(inputs, {
    forward: (save) => {
      if (weight.trainable) save([x]);
      return bias ? tf.add(product(), bias.value) : product();
    },
    backward: (dy, [saved]) => ({
      x: () => inputGradient(dy),
      weight: () => weightGradient(dy, saved as tf.Tensor2D),
      bias: () => tf.sum(dy, 0),
    }),
  });
}
