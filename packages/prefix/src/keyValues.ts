import { gatherRows, type KeyValueShape, type KeyValues, slice, splitHeads } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { PrefixTuningConfig } from './config';

/** A config whose sizes are those of a model. */
export type SizedConfig = PrefixTuningConfig &
  Record<'token_dim' | 'num_attention_heads' | 'num_layers' | 'num_transformer_submodules', number>;

/**
 * A prefix as the keys and values of every layer, the same for each row of a batch.
 *
 * The columns are key, value, key, value, …, as many pairs as `num_layers` says. In an encoder–decoder model a layer does not
 * take the pair of its own number: Python PEFT puts the pairs there twice one behind the other and then gives each layer two of them, of
 * which the second is thrown away. What files hold was trained so.
 * @param prefix [V, 2·L·token_dim]
 */
export function keyValuesOf(prefix: tf.Tensor2D, config: SizedConfig, layers: readonly KeyValueShape[], batch: number): KeyValues {
  const { num_virtual_tokens: V, token_dim: width, num_attention_heads: H, num_layers: L, num_transformer_submodules: halves } = config;
  const rows = Array.from({ length: batch * V }, (_, i) => i % V);
  const part = (column: number, { heads, headSize }: KeyValueShape) => {
    const values = gatherRows(slice(prefix, [0, column * width], [V, width]), rows); // [B·V, H·D]
    const all = splitHeads(values, batch, H); // [B, H, V, D]
    // Where layers differ, a prefix has room for the largest.
    return heads === H && headSize * H === width ? all : slice(all, [0, 0, 0, 0], [batch, heads, V, headSize]);
  };
  return layers.map((shape, layer) => {
    const pair = (halves * layer) % L;
    return { key: part(2 * pair, shape), value: part(2 * pair + 1, shape) };
  });
}
