import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable';
import { matMul } from './matMul';

/**
 * What each position scores the distance to each other one: in head h, out[b, h, i, j] = x[b, i]·table[j - i + T - 1].
 * No score is looked up by its index: shifting rows brings each to its place, on the way back, too, so that every engine can do it.
 * @param x [B·T, H·D]
 * @param table [2T, H·D], a row a distance from -(T - 1) to T - 1; the last row goes nowhere
 * @returns [B, H, T, T]
 */
export function relativeScores(x: tf.Tensor2D, table: tf.Tensor2D, batch: number, heads: number): tf.Tensor4D {
  const [count, width] = x.shape;
  const [length, distances] = [count / batch, table.shape[0]]; // T, 2T
  if (distances !== 2 * length)
    throw new Error(`${length} positions need a table of ${2 * length} distances, one of them to spare, not of ${distances}`);
  const perHead = (y: tf.Tensor2D) => tf.transpose(tf.reshape(y, [-1, heads, width / heads]), [1, 0, 2]); // [H, N, D]
  const flat = (y: tf.Tensor3D) => tf.reshape(tf.transpose(y, [1, 0, 2]), [-1, width]) as tf.Tensor2D; // [N, H·D]
  // Read on from element T - 1 with rows one shorter, and column j of row i is what stood at j - i + T - 1.
  const shift = (scores: tf.Tensor3D) => {
    const rows = tf.reshape(scores, [heads * batch, length * distances]);
    const shifted = tf.reshape(tf.slice(rows, [0, length - 1], [-1, length * (distances - 1)]), [-1, length, distances - 1]);
    const scored = tf.reshape(tf.slice(shifted, [0, 0, 0], [-1, length, length]), [heads, batch, length, length]) as tf.Tensor4D;
    return tf.transpose(scored, [1, 0, 2, 3]);
  };
  const shiftBack = (dy: tf.Tensor4D) => {
    const shifted = tf.pad(tf.reshape(tf.transpose(dy, [1, 0, 2, 3]), [-1, length, length]), [
      [0, 0],
      [0, 0],
      [0, length - 1],
    ]);
    const rows = tf.pad(tf.reshape(shifted, [heads * batch, length * (distances - 1)]), [
      [0, 0],
      [length - 1, 1],
    ]);
    return tf.reshape(rows, [heads, count, distances]) as tf.Tensor3D;
  };
  return differentiable<Record<'x' | 'table', tf.Tensor>, tf.Tensor4D>(
    { x, table },
    {
      forward: (save) => {
        save([x, table]);
        return shift(matMul(perHead(x), perHead(table), false, true) as tf.Tensor3D); // [B, H, T, T]
      },
      backward: (dy, saved) => {
        const [savedX, savedTable] = saved as [tf.Tensor2D, tf.Tensor2D];
        const scores = tf.tidy(() => shiftBack(dy)); // [H, B·T, 2T]
        return {
          x: () => flat(matMul(scores, perHead(savedTable)) as tf.Tensor3D),
          table: () => flat(matMul(scores, perHead(savedX), true) as tf.Tensor3D),
        };
      },
    },
  );
}
