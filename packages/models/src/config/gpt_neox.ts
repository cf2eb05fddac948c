import type { ModelConfig } from '@peft/core';
import { ropeFrequencies, ropeOptions } from '../shared/rope';
import type { ConfigRules } from './ConfigRules';

/** GPT-NeoX's settings, with every default filled in. */
export interface GptNeoxConfig extends ModelConfig {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  hidden_act: string;
  max_position_embeddings: number;
  initializer_range: number;
  layer_norm_eps: number;
  pad_token_id: number | null;
  tie_word_embeddings: boolean;
  rope_theta: number;
  rope_scaling: Record<string, unknown> | null;
  /** The part of each head that is turned. */
  partial_rotary_factor: number;
  /** Whether a layer's two halves read the same input. */
  use_parallel_residual: boolean;
  attention_bias: boolean;
  attention_dropout: number;
  hidden_dropout: number;
  classifier_dropout: number;
}

export const gpt_neox: ConfigRules = {
  defaults: {
    vocab_size: 50432,
    hidden_size: 6144,
    intermediate_size: 24576,
    num_hidden_layers: 44,
    num_attention_heads: 64,
    hidden_act: 'gelu',
    max_position_embeddings: 2048,
    initializer_range: 0.02,
    layer_norm_eps: 1e-5,
    pad_token_id: null,
    bos_token_id: 0,
    eos_token_id: 2,
    tie_word_embeddings: false,
    rope_theta: 10000,
    rope_scaling: null,
    partial_rotary_factor: 0.25,
    use_parallel_residual: true,
    attention_bias: true,
    attention_dropout: 0,
    hidden_dropout: 0,
    classifier_dropout: 0.1,
  },
  complete(config, raw) {
    // transformers 4 reads these names of its own, transformers 5 the general ones: files get both.
    config.rope_theta = config.rotary_emb_base = raw.rotary_emb_base ?? config.rope_theta;
    config.partial_rotary_factor = config.rotary_pct = raw.rotary_pct ?? config.partial_rotary_factor;
    const { hidden_size, num_attention_heads: heads } = config as unknown as GptNeoxConfig;
    if (hidden_size % heads !== 0) throw new Error(`hidden_size ${hidden_size} is no multiple of ${heads} heads`);
    // Tells of scaling that is not known before weights are read.
    ropeFrequencies(ropeOptions({ ...(config as unknown as GptNeoxConfig), head_dim: hidden_size / heads }));
  },
};
