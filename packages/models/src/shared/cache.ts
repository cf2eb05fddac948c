import { concat, type KeyValueShape, type ModelConfig } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { Step } from './step';

/** A layer's keys and values [B, H, S, D]: those of the past before the new ones, handed on where a cache is asked for. */
export function withPast(step: Step, layer: number, key: tf.Tensor4D, value: tf.Tensor4D): { key: tf.Tensor4D; value: tf.Tensor4D } {
  const past = step.past?.[layer];
  const all = past ? { key: concat([past.key, key], 2), value: concat([past.value, value], 2) } : { key, value };
  if (step.present) step.present[layer] = all;
  return all;
}

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
