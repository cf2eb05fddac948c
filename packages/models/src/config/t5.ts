import type { ModelConfig } from '@peft/core';
import type { ConfigRules } from './ConfigRules';

/** T5's settings, and mT5's, with every default filled in. */
export interface T5Config extends ModelConfig {
  vocab_size: number;
  d_model: number;
  d_kv: number;
  d_ff: number;
  num_layers: number;
  num_decoder_layers: number;
  num_heads: number;
  relative_attention_num_buckets: number;
  relative_attention_max_distance: number;
  dropout_rate: number;
  layer_norm_epsilon: number;
  initializer_factor: number;
  /** `relu`, `gated-gelu`, …; where it begins with `gated-`, one half of the layer gates the other. */
  feed_forward_proj: string;
  dense_act_fn: string;
  is_gated_act: boolean;
  pad_token_id: number | null;
  decoder_start_token_id: number | null;
  tie_word_embeddings: boolean;
}

const defaults = {
  vocab_size: 32128,
  d_model: 512,
  d_kv: 64,
  d_ff: 2048,
  num_layers: 6,
  num_decoder_layers: null,
  num_heads: 8,
  relative_attention_num_buckets: 32,
  relative_attention_max_distance: 128,
  dropout_rate: 0.1,
  layer_norm_epsilon: 1e-6,
  initializer_factor: 1,
  feed_forward_proj: 'relu',
  is_encoder_decoder: true,
  pad_token_id: 0,
  eos_token_id: 1,
  decoder_start_token_id: null,
  tie_word_embeddings: true,
};

function complete(config: Record<string, unknown>): void {
  const name = config.feed_forward_proj as string;
  const parts = /^(gated-)?([^-]+)$/.exec(name);
  if (!parts) throw new Error(`feed_forward_proj "${name}" is neither an activation nor gated-<activation>`);
  config.num_decoder_layers ??= config.num_layers;
  config.is_gated_act = parts[1] !== undefined;
  // That name stands for gelu's approximation in old checkpoints.
  config.dense_act_fn = name === 'gated-gelu' ? 'gelu_new' : parts[2];
}

export const t5: ConfigRules = { defaults, complete };

export const mt5: ConfigRules = {
  defaults: {
    ...defaults,
    vocab_size: 250112,
    d_ff: 1024,
    num_layers: 8,
    num_heads: 6,
    feed_forward_proj: 'gated-gelu',
    decoder_start_token_id: 0,
    tie_word_embeddings: false,
  },
  complete,
};
