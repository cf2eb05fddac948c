import type { ModelConfig } from '@peft/core';
import type { ConfigRules } from './ConfigRules';

/** DistilBERT's settings, with every default filled in. */
export interface DistilBertConfig extends ModelConfig {
  vocab_size: number;
  dim: number;
  n_layers: number;
  n_heads: number;
  hidden_dim: number;
  activation: string;
  dropout: number;
  attention_dropout: number;
  qa_dropout: number;
  seq_classif_dropout: number;
  max_position_embeddings: number;
  sinusoidal_pos_embds: boolean;
  initializer_range: number;
  pad_token_id: number | null;
  tie_word_embeddings: boolean;
}

export const distilbert: ConfigRules = {
  defaults: {
    vocab_size: 30522,
    dim: 768,
    n_layers: 6,
    n_heads: 12,
    hidden_dim: 3072,
    activation: 'gelu',
    dropout: 0.1,
    attention_dropout: 0.1,
    qa_dropout: 0.1,
    seq_classif_dropout: 0.2,
    max_position_embeddings: 512,
    sinusoidal_pos_embds: false,
    initializer_range: 0.02,
    pad_token_id: 0,
    tie_word_embeddings: true,
  },
  aliases: { hidden_size: 'dim', num_attention_heads: 'n_heads', num_hidden_layers: 'n_layers' },
  complete({ dim, n_heads: heads }) {
    if ((dim as number) % (heads as number) !== 0) throw new Error(`dim ${dim} is no multiple of ${heads} heads`);
  },
};
