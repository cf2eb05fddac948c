import type { ModelConfig } from '@peft/core';
import type { ConfigRules } from './ConfigRules';

/** SegFormer's settings, with every default filled in; lists have an entry for each of the encoder's stages. */
export interface SegformerConfig extends ModelConfig {
  num_channels: number;
  num_encoder_blocks: number;
  depths: readonly number[];
  sr_ratios: readonly number[];
  hidden_sizes: readonly number[];
  patch_sizes: readonly number[];
  strides: readonly number[];
  num_attention_heads: readonly number[];
  mlp_ratios: readonly number[];
  hidden_act: string;
  hidden_dropout_prob: number;
  attention_probs_dropout_prob: number;
  classifier_dropout_prob: number;
  initializer_range: number;
  drop_path_rate: number;
  decoder_hidden_size: number;
  semantic_loss_ignore_index: number;
  reshape_last_stage: boolean;
}

const lists = {
  depths: [2, 2, 2, 2],
  sr_ratios: [8, 4, 2, 1],
  hidden_sizes: [32, 64, 160, 256],
  patch_sizes: [7, 3, 3, 3],
  strides: [4, 2, 2, 2],
  num_attention_heads: [1, 2, 5, 8],
  mlp_ratios: [4, 4, 4, 4],
};

export const segformer: ConfigRules = {
  defaults: {
    num_channels: 3,
    num_encoder_blocks: 4,
    ...lists,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    classifier_dropout_prob: 0.1,
    initializer_range: 0.02,
    drop_path_rate: 0.1,
    layer_norm_eps: 1e-6,
    decoder_hidden_size: 256,
    semantic_loss_ignore_index: 255,
    reshape_last_stage: true,
  },
  complete(config) {
    const { num_encoder_blocks: stages, hidden_sizes, num_attention_heads } = config as unknown as SegformerConfig;
    const head = hidden_sizes.findIndex((size, i) => size % (num_attention_heads[i] ?? 1) !== 0);
    const short = Object.keys(lists).filter((field) => (config[field] as readonly number[]).length < stages);
    if (short.length > 0) throw new Error(`num_encoder_blocks is ${stages}, and ${short.join(', ')} have fewer entries`);
    if (head >= 0) throw new Error(`hidden_sizes ${hidden_sizes[head]} is no multiple of ${num_attention_heads[head]} heads`);
  },
};
