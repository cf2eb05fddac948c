import { reshape, split } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';

/** Queries, keys and values [B·T, H·D] of one projection that holds them head by head. @param qkv [B·T, H·3·D] */
export function fusedHeads(qkv: tf.Tensor2D, heads: number): [query: tf.Tensor2D, key: tf.Tensor2D, value: tf.Tensor2D] {
  const [rows, width] = qkv.shape;
  const size = width / heads / 3; // D
  const byHead = reshape<tf.Tensor2D>(qkv, [rows * heads, 3 * size]);
  const parts = split(byHead, [size, size, size]).map((part) => reshape<tf.Tensor2D>(part, [rows, heads * size]));
  return parts as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
}
