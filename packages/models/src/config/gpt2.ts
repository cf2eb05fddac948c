import type { ModelConfig } from '@peft/core';
import type { ConfigRules } from './ConfigRules';

/** GPT-2's settings, with every default filled in. */
export interface Gpt2Config extends ModelConfig {
  vocab_size: number;
  n_positions: number;
  n_embd: number;
  n_layer: number;
  n_head: number;
  n_inner: number | null;
  activation_function: string;
  resid_pdrop: number;
  embd_pdrop: number;
  attn_pdrop: number;
  layer_norm_epsilon: number;
  initializer_range: number;
  scale_attn_weights: boolean;
  scale_attn_by_inverse_layer_idx: boolean;
  tie_word_embeddings: boolean;
  pad_token_id: number | null;
}

export const gpt2: ConfigRules = {
  defaults: {
    vocab_size: 50257,
    n_positions: 1024,
    n_embd: 768,
    n_layer: 12,
    n_head: 12,
    n_inner: null,
    activation_function: 'gelu_new',
    resid_pdrop: 0.1,
    embd_pdrop: 0.1,
    attn_pdrop: 0.1,
    layer_norm_epsilon: 1e-5,
    initializer_range: 0.02,
    scale_attn_weights: true,
    scale_attn_by_inverse_layer_idx: false,
    tie_word_embeddings: true,
    pad_token_id: null,
    bos_token_id: 50256,
    eos_token_id: 50256,
  },
  aliases: {
    hidden_size: 'n_embd',
    max_position_embeddings: 'n_positions',
    num_attention_heads: 'n_head',
    num_hidden_layers: 'n_layer',
  },
  complete({ n_embd, n_head }) {
    if ((n_embd as number) % (n_head as number) !== 0) throw new Error(`n_embd ${n_embd} is no multiple of ${n_head} heads`);
  },
};
