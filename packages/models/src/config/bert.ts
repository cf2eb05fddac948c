import type { ModelConfig } from '@peft/core';
import type { ConfigRules } from './ConfigRules';

/** BERT's settings, with every default filled in. */
export interface BertConfig extends ModelConfig {
  vocab_size: number;
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  intermediate_size: number;
  hidden_act: string;
  hidden_dropout_prob: number;
  attention_probs_dropout_prob: number;
  max_position_embeddings: number;
  type_vocab_size: number;
  initializer_range: number;
  layer_norm_eps: number;
  pad_token_id: number | null;
  classifier_dropout: number | null;
  tie_word_embeddings: boolean;
}

export const bert: ConfigRules = {
  defaults: {
    vocab_size: 30522,
    hidden_size: 768,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    intermediate_size: 3072,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0.1,
    attention_probs_dropout_prob: 0.1,
    max_position_embeddings: 512,
    type_vocab_size: 2,
    initializer_range: 0.02,
    layer_norm_eps: 1e-12,
    pad_token_id: 0,
    classifier_dropout: null,
    tie_word_embeddings: true,
  },
  complete({ hidden_size, num_attention_heads: heads }) {
    if ((hidden_size as number) % (heads as number) !== 0) throw new Error(`hidden_size ${hidden_size} is no multiple of ${heads} heads`);
  },
};
