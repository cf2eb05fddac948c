import type { ModelConfig } from '@peft/core';
import { ropeFrequencies, ropeOptions } from '../shared/rope';
import type { ConfigRules } from './ConfigRules';

/** Phi-3's settings, with every default filled in. */
export interface Phi3Config extends ModelConfig {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  hidden_act: string;
  max_position_embeddings: number;
  /** What it was before the context was extended. */
  original_max_position_embeddings: number;
  initializer_range: number;
  rms_norm_eps: number;
  pad_token_id: number | null;
  tie_word_embeddings: boolean;
  rope_theta: number;
  rope_scaling: Record<string, unknown> | null;
  partial_rotary_factor: number;
  resid_pdrop: number;
  attention_dropout: number;
  sliding_window: number | null;
}

export const phi3: ConfigRules = {
  defaults: {
    vocab_size: 32064,
    hidden_size: 3072,
    intermediate_size: 8192,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: null,
    head_dim: null,
    hidden_act: 'silu',
    max_position_embeddings: 4096,
    original_max_position_embeddings: 4096,
    initializer_range: 0.02,
    rms_norm_eps: 1e-5,
    pad_token_id: 32000,
    bos_token_id: 1,
    eos_token_id: 32000,
    tie_word_embeddings: false,
    rope_theta: 10000,
    rope_scaling: null,
    partial_rotary_factor: 1,
    resid_pdrop: 0,
    attention_dropout: 0,
    sliding_window: null,
  },
  complete(config) {
    const { num_attention_heads: heads, hidden_size, rope_scaling: scaling } = config as unknown as Phi3Config;
    config.num_key_value_heads ??= heads;
    config.head_dim ??= Math.floor(hidden_size / heads);
    if (heads % (config.num_key_value_heads as number) !== 0)
      throw new Error(`${heads} attention heads cannot share ${config.num_key_value_heads} key-value heads evenly`);
    // As older files of Phi-3 call it.
    const names = ['su', 'yarn'];
    if (scaling && names.includes(scaling.type as string)) config.rope_scaling = { ...scaling, type: 'longrope' };
    // Tells of scaling that is not known before weights are read.
    ropeFrequencies(ropeOptions(config as unknown as Phi3Config));
  },
};
