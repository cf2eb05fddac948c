import type { ModelConfig } from '@peft/core';
import { ropeFrequencies, ropeOptions } from '../shared/rope';
import type { ConfigRules } from './ConfigRules';

/** Gemma 2's settings, with every default filled in. */
export interface Gemma2Config extends ModelConfig {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  hidden_activation: string;
  max_position_embeddings: number;
  initializer_range: number;
  rms_norm_eps: number;
  pad_token_id: number | null;
  tie_word_embeddings: boolean;
  rope_theta: number;
  rope_scaling: Record<string, unknown> | null;
  attention_bias: boolean;
  attention_dropout: number;
  /** Scores are divided by its root. */
  query_pre_attn_scalar: number;
  sliding_window: number;
  /** `full_attention` or `sliding_attention`, one a layer. */
  layer_types: string[];
  /** Logits stay between ± this. */
  final_logit_softcapping: number | null;
  /** Attention scores stay between ± this. */
  attn_logit_softcapping: number | null;
}

export const gemma2: ConfigRules = {
  defaults: {
    vocab_size: 256000,
    hidden_size: 2304,
    intermediate_size: 9216,
    num_hidden_layers: 26,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    hidden_activation: 'gelu_pytorch_tanh',
    max_position_embeddings: 8192,
    initializer_range: 0.02,
    rms_norm_eps: 1e-6,
    pad_token_id: 0,
    bos_token_id: 2,
    eos_token_id: 1,
    tie_word_embeddings: true,
    rope_theta: 10000,
    rope_scaling: null,
    attention_bias: false,
    attention_dropout: 0,
    query_pre_attn_scalar: 256,
    sliding_window: 4096,
    final_logit_softcapping: 30,
    attn_logit_softcapping: 50,
  },
  complete(config) {
    const { num_attention_heads: heads, num_key_value_heads: shared, num_hidden_layers: layers } = config as unknown as Gemma2Config;
    if (heads % shared !== 0) throw new Error(`${heads} attention heads cannot share ${shared} key-value heads evenly`);
    if (!Array.isArray(config.layer_types) || config.layer_types.length < layers)
      config.layer_types = Array.from({ length: layers }, (_, layer) => (layer % 2 === 0 ? 'sliding_attention' : 'full_attention'));
    // Tells of scaling that is not known before weights are read.
    ropeFrequencies(ropeOptions(config as unknown as Gemma2Config));
  },
};
