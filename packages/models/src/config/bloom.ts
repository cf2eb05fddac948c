import type { ModelConfig } from '@peft/core';
import type { ConfigRules } from './ConfigRules';

/** BLOOM's settings, with every default filled in. */
export interface BloomConfig extends ModelConfig {
  vocab_size: number;
  hidden_size: number;
  n_layer: number;
  n_head: number;
  layer_norm_epsilon: number;
  initializer_range: number;
  apply_residual_connection_post_layernorm: boolean;
  hidden_dropout: number;
  attention_dropout: number;
  pad_token_id: number | null;
  tie_word_embeddings: boolean;
}

export const bloom: ConfigRules = {
  defaults: {
    vocab_size: 250880,
    hidden_size: 64,
    n_layer: 2,
    n_head: 8,
    layer_norm_epsilon: 1e-5,
    initializer_range: 0.02,
    apply_residual_connection_post_layernorm: false,
    hidden_dropout: 0,
    attention_dropout: 0,
    pad_token_id: null,
    bos_token_id: 1,
    eos_token_id: 2,
    tie_word_embeddings: true,
  },
  aliases: { n_embed: 'hidden_size', num_hidden_layers: 'n_layer', num_attention_heads: 'n_head' },
  complete({ hidden_size, n_head }) {
    if ((hidden_size as number) % (n_head as number) !== 0) throw new Error(`hidden_size ${hidden_size} is no multiple of ${n_head} heads`);
  },
};
