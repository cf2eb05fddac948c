import * as tf from '@tensorflow/tfjs-core';
import { inferenceForms } from './engineForms';

/**
 * Writes keys or values into a cache that has room for them. Not differentiable.
 * @param cache [B, H, S, D]; engines that can change it in place, so what it held there is to be of no more use
 * @param x [B, H, T, D]
 * @param start the position of the first of them, of S
 * @returns the cache with x at `start` … `start + T - 1`: the same tensor where it was changed in place
 */
export function writePositions(cache: tf.Tensor4D, x: tf.Tensor4D, start: number): tf.Tensor4D {
  const [B, H, S, D] = cache.shape;
  const after = start + x.shape[2];
  if (start < 0 || after > S) throw new Error(`positions ${start} to ${after - 1} cannot be written into a cache of ${S}`);
  const form = inferenceForms().writePositions;
  if (form) return form(cache, x, start);
  return tf.tidy(() =>
    tf.concat([tf.slice(cache, [0, 0, 0, 0], [B, H, start, D]), x, tf.slice(cache, [0, 0, after, 0], [B, H, S - after, D])], 2),
  );
}
