import { concat, type KeyValue, type KeyValueShape, type KeyValues, type ModelConfig, writePositions } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { Step } from './step';

/** A layer's keys and values [B, H, S, D]: those of the past before the new ones, handed on where a cache is asked for. */
export function withPast(step: Step, layer: number, key: tf.Tensor4D, value: tf.Tensor4D): KeyValue {
  const past = step.past?.[layer];
  const all = past ? behind(past, key, value) : { key, value };
  if (step.present) step.present[layer] = all;
  return all;
}

function behind({ key, value, length }: KeyValues[number], newKey: tf.Tensor4D, newValue: tf.Tensor4D): KeyValues[number] {
  if (length === undefined) return { key: concat([key, newKey], 2), value: concat([value, newValue], 2) };
  return {
    key: writePositions(key, newKey, length),
    value: writePositions(value, newValue, length),
    length: length + newKey.shape[2],
  };
}

/** How many positions a cache holds. */
export const heldPositions = (past: KeyValues | undefined): number => past?.[0]?.length ?? past?.[0]?.key.shape[2] ?? 0;

/** How many keys each query of a step is compared with: those of all positions so far and, where the cache has room, of none. */
export const keyCount = ({ past, pastLength, length }: Pick<Step, 'past' | 'pastLength' | 'length'>): number =>
  past?.[0]?.length === undefined ? pastLength + length : past[0].key.shape[2];

// Every key must have a distance to every query, and one that comes from no token has none.
const TAKE_NO_PAST = ['deberta-v2'];

/** Layers, heads and their size of what is cached, by the names that configs have for them; of two halves the decoder's. */
export function keyValueShapes(config: ModelConfig): KeyValueShape[] {
  if (TAKE_NO_PAST.includes(config.model_type)) return [];
  const first = (...names: string[]) => names.map((name) => config[name]).find((value) => typeof value === 'number') as number;
  const layers = first('num_decoder_layers', 'decoder_layers', 'num_hidden_layers', 'n_layer', 'n_layers');
  const heads = first('decoder_attention_heads', 'num_attention_heads', 'n_head', 'n_heads', 'num_heads');
  const headSize = first('head_dim', 'd_kv') ?? first('hidden_size', 'n_embd', 'd_model', 'dim') / heads;
  return Array.from({ length: layers }, () => ({ heads: first('num_key_value_heads') ?? heads, headSize }));
}
