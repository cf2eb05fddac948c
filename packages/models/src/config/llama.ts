import type { ModelConfig } from '@peft/core';
import { ropeFrequencies, ropeOptions } from '../shared/rope';
import type { ConfigRules } from './ConfigRules';

/** Llama's settings, and Mistral's, Qwen2's and Qwen3's, with every default filled in. */
export interface LlamaConfig extends ModelConfig {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  hidden_act: string;
  max_position_embeddings: number;
  initializer_range: number;
  rms_norm_eps: number;
  pad_token_id: number | null;
  tie_word_embeddings: boolean;
  rope_theta: number;
  rope_scaling: Record<string, unknown> | null;
  attention_bias: boolean;
  /** Whether queries, keys and values have biases. */
  qkv_bias: boolean;
  /** Whether each head's queries and keys are normalised. */
  qk_norm: boolean;
  attention_dropout: number;
  mlp_bias: boolean;
  sliding_window: number | null;
  /** `full_attention` or `sliding_attention`, one a layer. */
  layer_types: string[];
}

const defaults = {
  vocab_size: 32000,
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: null,
  head_dim: null,
  hidden_act: 'silu',
  max_position_embeddings: 2048,
  initializer_range: 0.02,
  rms_norm_eps: 1e-6,
  pad_token_id: null,
  bos_token_id: 1,
  eos_token_id: 2,
  tie_word_embeddings: false,
  rope_theta: 10000,
  rope_scaling: null,
  attention_bias: false,
  attention_dropout: 0,
  mlp_bias: false,
  sliding_window: null,
};

function complete(config: Record<string, unknown>): void {
  const heads = config.num_attention_heads as number;
  config.num_key_value_heads ??= heads;
  config.head_dim ??= Math.floor((config.hidden_size as number) / heads);
  // Tells of scaling that is not known before weights are read.
  ropeFrequencies(ropeOptions(config as unknown as LlamaConfig));
  if (heads % (config.num_key_value_heads as number) !== 0)
    throw new Error(`${heads} attention heads cannot share ${config.num_key_value_heads} key-value heads evenly`);
  if (config.hidden_act !== 'silu') throw new Error(`hidden_act "${config.hidden_act}" is not known for ${config.model_type}; "silu" is`);
  const isQwen2 = config.model_type === 'qwen2';
  const isQwen3 = config.model_type === 'qwen3';
  const isQwen = isQwen2 || isQwen3;
  config.qkv_bias = isQwen2 || config.attention_bias;
  config.qk_norm = isQwen3;
  if (isQwen2) config.attention_bias = false;
  if (isQwen && config.use_sliding_window !== true) config.sliding_window = null;
  const layers = config.num_hidden_layers as number;
  const from = isQwen ? (config.max_window_layers as number) : 0;
  if (!Array.isArray(config.layer_types) || config.layer_types.length < layers)
    config.layer_types = Array.from({ length: layers }, (_, layer) =>
      config.sliding_window !== null && layer >= from ? 'sliding_attention' : 'full_attention',
    );
}

export const llama: ConfigRules = { defaults, complete };

export const mistral: ConfigRules = {
  defaults: { ...defaults, intermediate_size: 14336, num_key_value_heads: 8, max_position_embeddings: 131072, sliding_window: 4096 },
  complete,
};

export const qwen2: ConfigRules = {
  defaults: {
    ...defaults,
    vocab_size: 151936,
    intermediate_size: 22016,
    num_key_value_heads: 32,
    max_position_embeddings: 32768,
    bos_token_id: null,
    eos_token_id: null,
    use_sliding_window: false,
    sliding_window: 4096,
    max_window_layers: 28,
  },
  complete,
};

export const qwen3: ConfigRules = { defaults: { ...qwen2.defaults, head_dim: 128 }, complete };
