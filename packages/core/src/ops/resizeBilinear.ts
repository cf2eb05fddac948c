import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable';
import { matMul } from './matMul';

/**
 * Images in another size, each pixel blended from its four neighbours; pixels are areas, not points, as with PyTorch's
 * `interpolate(mode="bilinear", align_corners=False)`.
 * @param x [B, height, width, C]
 * @param size [height', width']
 * @returns [B, height', width', C]
 */
export function resizeBilinear(x: tf.Tensor4D, size: readonly [number, number]): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  if (size[0] === height && size[1] === width) return x;
  return differentiable<{ x: tf.Tensor }, tf.Tensor4D>(
    { x },
    {
      forward: () => tf.image.resizeBilinear(x, [size[0], size[1]], false, true),
      backward: (dy) => ({
        x: () => {
          // Both directions are linear and apart from each other; wasm has no kernel for the gradient of both at once.
          const tall = tf.reshape(tf.transpose(dy, [1, 0, 2, 3]), [size[0], batch * size[1] * channels]) as tf.Tensor2D;
          const rows = tf.reshape(matMul(shares(height, size[0]), tall), [height, batch, size[1], channels]);
          const wide = tf.reshape(tf.transpose(rows, [2, 1, 0, 3]), [size[1], batch * height * channels]) as tf.Tensor2D;
          const columns = tf.reshape(matMul(shares(width, size[1]), wide), [width, batch, height, channels]);
          return tf.transpose(columns, [1, 2, 0, 3]); // [B, height, width, C]
        },
      }),
    },
  );
}

/** How much each of `to` places takes from each of `from`: [from, to]. */
function shares(from: number, to: number): tf.Tensor2D {
  const matrix = new Float32Array(from * to);
  for (let i = 0; i < to; i++) {
    const at = Math.max(((i + 0.5) * from) / to - 0.5, 0);
    const low = Math.min(Math.floor(at), from - 1);
    const high = Math.min(low + 1, from - 1);
    const part = at - low;
    matrix[low * to + i] = (matrix[low * to + i] as number) + 1 - part;
    matrix[high * to + i] = (matrix[high * to + i] as number) + part;
  }
  return tf.tensor2d(matrix, [from, to]);
}
