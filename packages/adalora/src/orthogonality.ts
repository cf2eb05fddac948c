import { differentiable, matMul, type Parameter } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * How far vectors are from orthonormal: the mean over all matrices of ‖A·Aᵀ − I‖ and ‖Bᵀ·B − I‖, times a weight.
 * @param rows matrices whose rows count, [r, in] @param columns matrices whose columns count, [out, r]
 */
export function orthogonality(rows: readonly Parameter[], columns: readonly Parameter[], weight: number): tf.Scalar {
  const all = [...rows.map((matrix) => ({ matrix, byRow: true })), ...columns.map((matrix) => ({ matrix, byRow: false }))];
  const factor = weight / Math.max(all.length, 1);
  // Matrices that nothing is left of count, and are as orthonormal as can be.
  const filled = all.filter(({ matrix }) => matrix.size > 0);
  return differentiable<Record<string, tf.Tensor>, tf.Scalar>(Object.fromEntries(filled.map(({ matrix }, i) => [i, matrix.value])), {
    forward: () =>
      tf.mul(
        filled.reduce<tf.Tensor>((sum, { matrix, byRow }) => tf.add(sum, length(excess(matrix, byRow))), tf.scalar(0)),
        factor,
      ) as tf.Scalar,
    backward: (dy) =>
      Object.fromEntries(
        filled.map(({ matrix, byRow }, i) => [
          i,
          () =>
            tf.tidy(() => {
              const over = excess(matrix, byRow);
              // Orthonormal vectors are the norm's kink, and zero is a gradient of it there.
              const direction = tf.mul(tf.divNoNan(over, length(over)), tf.mul(dy, 2 * factor)) as tf.Tensor2D; // [r, r]
              return byRow ? matMul(direction, matrixOf(matrix)) : matMul(matrixOf(matrix), direction);
            }),
        ]),
      ),
  });
}

const matrixOf = (matrix: Parameter) => matrix.value as unknown as tf.Tensor2D;

/** A·Aᵀ − I or Bᵀ·B − I, [r, r] */
function excess(matrix: Parameter, byRow: boolean): tf.Tensor2D {
  const product = matMul(matrixOf(matrix), matrixOf(matrix), !byRow, byRow);
  return tf.sub(product, tf.eye(product.shape[0]));
}

const length = (x: tf.Tensor): tf.Tensor => tf.sqrt(tf.sum(tf.square(x)));
