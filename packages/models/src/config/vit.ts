import type { ModelConfig } from '@peft/core';
import type { ConfigRules } from './ConfigRules';

/** ViT's settings, with every default filled in. */
export interface VitConfig extends ModelConfig {
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  intermediate_size: number;
  hidden_act: string;
  hidden_dropout_prob: number;
  attention_probs_dropout_prob: number;
  initializer_range: number;
  layer_norm_eps: number;
  /** One number, or height and width. */
  image_size: number | readonly [number, number];
  patch_size: number | readonly [number, number];
  num_channels: number;
  qkv_bias: boolean;
  encoder_stride: number;
  pooler_output_size: number;
  pooler_act: string;
}

/** Height and width. */
export const pairOf = (size: number | readonly [number, number]): readonly [number, number] =>
  typeof size === 'number' ? [size, size] : size;

export const vit: ConfigRules = {
  defaults: {
    hidden_size: 768,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    intermediate_size: 3072,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    initializer_range: 0.02,
    layer_norm_eps: 1e-12,
    image_size: 224,
    patch_size: 16,
    num_channels: 3,
    qkv_bias: true,
    encoder_stride: 16,
    pooler_output_size: null,
    pooler_act: 'tanh',
  },
  complete(config) {
    const { hidden_size, num_attention_heads: heads, image_size, patch_size } = config as unknown as VitConfig;
    config.pooler_output_size ||= hidden_size;
    if (hidden_size % heads !== 0) throw new Error(`hidden_size ${hidden_size} is no multiple of ${heads} heads`);
    const [image, patch] = [pairOf(image_size), pairOf(patch_size)];
    if (patch[0] > image[0] || patch[1] > image[1]) throw new Error(`patch_size [${patch}] is larger than image_size [${image}]`);
  },
};
