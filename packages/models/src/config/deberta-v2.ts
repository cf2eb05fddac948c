import type { ModelConfig } from '@peft/core';
import type { ConfigRules } from './ConfigRules';

/** The settings of DeBERTa's second and third version, with every default filled in. */
export interface DebertaV2Config extends ModelConfig {
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
  /** The width of embeddings, where it is another one than the layers'. */
  embedding_size: number;
  /** Whether positions and, where there are some, token types are added to the input. */
  position_biased_input: boolean;
  relative_attention: boolean;
  /** Which scores distances have: from the content's query (`c2p`), from its key (`p2c`). */
  pos_att_type: readonly string[];
  /** Distances further than this are one; below 1 for `max_position_embeddings`. */
  max_relative_positions: number;
  /** Far distances share buckets, so many in each direction; below 1 for none. */
  position_buckets: number;
  /** Whether distances are projected by the content's own query and key. */
  share_att_key: boolean;
  norm_rel_ebd: string;
  /** The width of the convolution beside the first layer; 0 for none. */
  conv_kernel_size: number;
  conv_groups: number;
  conv_act: string;
  pooler_hidden_size: number;
  pooler_hidden_act: string;
  pooler_dropout: number;
  cls_dropout: number | null;
  tie_word_embeddings: boolean;
}

export const debertaV2: ConfigRules = {
  defaults: {
    vocab_size: 128100,
    hidden_size: 1536,
    num_hidden_layers: 24,
    num_attention_heads: 24,
    intermediate_size: 6144,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0.1,
    attention_probs_dropout_prob: 0.1,
    max_position_embeddings: 512,
    type_vocab_size: 0,
    initializer_range: 0.02,
    layer_norm_eps: 1e-7,
    pad_token_id: 0,
    embedding_size: null,
    position_biased_input: true,
    relative_attention: false,
    pos_att_type: null,
    max_relative_positions: -1,
    position_buckets: -1,
    share_att_key: false,
    norm_rel_ebd: 'none',
    conv_kernel_size: 0,
    conv_groups: 1,
    conv_act: 'tanh',
    pooler_hidden_size: null,
    pooler_hidden_act: 'gelu',
    pooler_dropout: 0,
    cls_dropout: null,
    tie_word_embeddings: true,
  },
  complete(config) {
    const { hidden_size: width, num_attention_heads: heads, pos_att_type: kinds, conv_kernel_size: kernel } = config;
    if ((width as number) % (heads as number) !== 0) throw new Error(`hidden_size ${width} is no multiple of ${heads} heads`);
    config.embedding_size ??= width;
    config.pooler_hidden_size ??= width;
    const names = typeof kinds === 'string' ? kinds.toLowerCase().split('|') : ((kinds ?? []) as string[]);
    config.pos_att_type = names.map((name) => name.trim());
    if ((kernel as number) > 0 && (kernel as number) % 2 === 0)
      throw new Error(`conv_kernel_size ${kernel} is even: a position has as many neighbours before it as behind it`);
  },
};
