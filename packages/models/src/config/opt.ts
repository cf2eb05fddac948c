import type { ModelConfig } from '@peft/core';
import type { ConfigRules } from './ConfigRules';

/** OPT's settings, with every default filled in. */
export interface OptConfig extends ModelConfig {
  vocab_size: number;
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  ffn_dim: number;
  max_position_embeddings: number;
  /** Whether layers normalise what they read (as all but opt-350m do) or what they give. */
  do_layer_norm_before: boolean;
  _remove_final_layer_norm: boolean;
  /** The width of embeddings, where it is not that of the layers. */
  word_embed_proj_dim: number;
  activation_function: string;
  dropout: number;
  attention_dropout: number;
  layerdrop: number;
  enable_bias: boolean;
  init_std: number;
  pad_token_id: number | null;
  tie_word_embeddings: boolean;
}

export const opt: ConfigRules = {
  defaults: {
    vocab_size: 50272,
    hidden_size: 768,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    ffn_dim: 3072,
    max_position_embeddings: 2048,
    do_layer_norm_before: true,
    _remove_final_layer_norm: false,
    word_embed_proj_dim: null,
    activation_function: 'relu',
    dropout: 0.1,
    attention_dropout: 0,
    layerdrop: 0,
    enable_bias: true,
    layer_norm_elementwise_affine: true,
    init_std: 0.02,
    pad_token_id: 1,
    bos_token_id: 2,
    eos_token_id: 2,
    tie_word_embeddings: true,
  },
  complete(config) {
    const { hidden_size, num_attention_heads: heads } = config as unknown as OptConfig;
    if (hidden_size % heads !== 0) throw new Error(`hidden_size ${hidden_size} is no multiple of ${heads} heads`);
    if (config.layer_norm_elementwise_affine !== true)
      throw new Error('layer_norm_elementwise_affine: false (norms without weights) is not known for opt; true is');
    config.word_embed_proj_dim ??= hidden_size;
  },
};
