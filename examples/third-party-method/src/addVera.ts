import { differentiable, matMul } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { Projections } from './Projections';

export interface VeraOperands {
  x: tf.Tensor2D; // [N, in]
  d: tf.Tensor; // [r]
  b: tf.Tensor; // [out]
}

/**
 * base + b ⊙ ((d ⊙ (x·Aᵀ))·Bᵀ) with the frozen A [r, in] and B [out, r].
 * @param base [N, out]
 * @returns [N, out]
 */
export function addVera(base: tf.Tensor2D, { x, d, b }: VeraOperands, projections: Projections): tf.Tensor2D {
  const corners = () => projections.corners(x.shape[1], base.shape[1]);
  return differentiable<Record<'base' | 'x' | 'd' | 'b', tf.Tensor>, tf.Tensor2D>(
    { base, x, d, b },
    {
      forward: (save) => {
        const [A, B] = corners();
        const down = matMul(x, A, false, true); // [N, r]
        const up = matMul(tf.mul(down, d) as tf.Tensor2D, B, false, true); // [N, out]
        save([down, up]);
        return tf.add(base, tf.mul(up, b)); // [N, out]
      },
      backward: (dy, [down, up]) => {
        const [A, B] = corners();
        const dScaled = matMul(tf.mul(dy, b) as tf.Tensor2D, B); // [N, r]
        return {
          base: () => dy,
          x: () => matMul(tf.mul(dScaled, d) as tf.Tensor2D, A), // [N, in]
          d: () => tf.sum(tf.mul(dScaled, down as tf.Tensor2D), 0), // [r]
          b: () => tf.sum(tf.mul(dy, up as tf.Tensor2D), 0), // [out]
        };
      },
    },
  );
}
