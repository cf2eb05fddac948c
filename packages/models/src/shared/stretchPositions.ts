import { differentiable, matMul } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

/** Of a grid or an image. */
export type Size = readonly [height: number, width: number];

/**
 * Positions of a grid for a grid of another size, by cubic interpolation as PyTorch's `interpolate(mode="bicubic")` does it.
 * @param positions [height·width, C]
 * @returns [height'·width', C]
 */
export function stretchPositions(positions: tf.Tensor2D, from: Size, to: Size): tf.Tensor2D {
  const weights = tf.tidy(() => {
    const [down, across] = [shares(from[0], to[0]), shares(from[1], to[1])];
    // Each place's weight is the product of those of its row and of its column.
    const both = tf.mul(tf.reshape(down, [to[0], 1, from[0], 1]), tf.reshape(across, [1, to[1], 1, from[1]]));
    return tf.reshape(both, [to[0] * to[1], from[0] * from[1]]) as tf.Tensor2D; // [height'·width', height·width]
  });
  return differentiable<{ positions: tf.Tensor }, tf.Tensor2D>(
    { positions },
    {
      forward: (save) => {
        save([weights]);
        return matMul(weights, positions);
      },
      backward: (dy, [saved]) => ({ positions: () => matMul(saved as tf.Tensor2D, dy, true) }),
    },
  );
}

/** How much each of `to` places takes from each of `from`, those beyond the border being the last: [to, from]. */
function shares(from: number, to: number): tf.Tensor2D {
  const matrix = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const at = ((i + 0.5) * from) / to - 0.5;
    const start = Math.floor(at) - 1;
    for (let j = start; j < start + 4; j++) {
      const place = i * from + Math.min(Math.max(j, 0), from - 1);
      matrix[place] = (matrix[place] as number) + cubic(Math.abs(at - j));
    }
  }
  return tf.tensor2d(matrix, [to, from]);
}

/** Keys' kernel with PyTorch's a = −0.75. @param x from 0 to 2 */
const cubic = (x: number) => (x <= 1 ? (1.25 * x - 2.25) * x * x + 1 : ((-0.75 * x + 3.75) * x - 6) * x + 3);
