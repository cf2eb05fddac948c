import { reshape, slice } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';

/** Queries, keys and values [B·T, H·D] of one projection that holds them head by head. @param qkv [B·T, H·3·D] */
export function fusedHeads(qkv: tf.Tensor2D, heads: number): [query: tf.Tensor2D, key: tf.Tensor2D, value: tf.Tensor2D] {
  const [rows, width] = qkv.shape;
  const size = width / heads / 3; // D
  const byHead = reshape<tf.Tensor2D>(qkv, [rows * heads, 3 * size]);
  const part = (i: number) => reshape<tf.Tensor2D>(slice(byHead, [0, i * size], [-1, size]), [rows, heads * size]);
  return [part(0), part(1), part(2)];
}
