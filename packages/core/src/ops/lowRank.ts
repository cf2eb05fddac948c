import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../module/Parameter';
import { differentiable } from './differentiable';
import { inferenceForms } from './engineForms';
import { matMul } from './matMul';

/**
 * base + scaling·(x·Aᵀ)·Bᵀ, by way of r columns: B·A is never formed.
 * @param base [N, out]
 * @param x [N, in]
 * @param A [r, in]
 * @param B [out, r]
 * @returns [N, out]
 */
export function lowRank(base: tf.Tensor2D, x: tf.Tensor2D, A: Parameter, B: Parameter, scaling: number): tf.Tensor2D {
  const down = A.value as unknown as tf.Tensor2D;
  const up = B.value as unknown as tf.Tensor2D;
  const form = inferenceForms().lowRank;
  if (form) return form(base, x, down, up, scaling);
  const inputs: Record<string, tf.Tensor> = { base, x };
  if (A.trainable) inputs.A = A.value;
  if (B.trainable) inputs.B = B.value;
  return differentiable<Record<string, tf.Tensor>, tf.Tensor2D>(inputs, {
    forward: (save) => {
      const thin = tf.mul(matMul(x, down, false, true), scaling) as tf.Tensor2D; // [N, r]
      save([...(B.trainable ? [thin] : []), ...(A.trainable ? [x] : [])]);
      return tf.add(base, matMul(thin, up, false, true)); // [N, out]
    },
    backward: (dy, saved) => {
      const thin = B.trainable ? (saved[0] as tf.Tensor2D) : undefined;
      const input = A.trainable ? (saved[saved.length - 1] as tf.Tensor2D) : undefined;
      const dThin = tf.tidy(() => tf.mul(matMul(dy, up), scaling) as tf.Tensor2D); // [N, r]
      return {
        base: () => dy,
        x: () => matMul(dThin, down), // [N, in]
        A: () => matMul(dThin, input as tf.Tensor2D, true), // [r, in]
        B: () => tf.transpose(matMul(thin as tf.Tensor2D, dy, true)), // [out, r]
      };
    },
  });
}
