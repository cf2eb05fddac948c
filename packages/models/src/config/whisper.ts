import { type ModelConfig, warn } from '@peft/core';
import type { ConfigRules } from './ConfigRules';

/** Whisper's settings, with every default filled in. */
export interface WhisperConfig extends ModelConfig {
  vocab_size: number;
  num_mel_bins: number;
  d_model: number;
  max_source_positions: number;
  max_target_positions: number;
  encoder_layers: number;
  encoder_ffn_dim: number;
  encoder_attention_heads: number;
  decoder_layers: number;
  decoder_ffn_dim: number;
  decoder_attention_heads: number;
  activation_function: string;
  dropout: number;
  attention_dropout: number;
  activation_dropout: number;
  init_std: number;
  pad_token_id: number | null;
  tie_word_embeddings: boolean;
}

export const whisper: ConfigRules = {
  defaults: {
    vocab_size: 51865,
    num_mel_bins: 80,
    d_model: 384,
    max_source_positions: 1500,
    max_target_positions: 448,
    encoder_layers: 4,
    encoder_ffn_dim: 1536,
    encoder_attention_heads: 6,
    encoder_layerdrop: 0,
    decoder_layers: 4,
    decoder_ffn_dim: 1536,
    decoder_attention_heads: 6,
    decoder_layerdrop: 0,
    activation_function: 'gelu',
    dropout: 0,
    attention_dropout: 0,
    activation_dropout: 0,
    init_std: 0.02,
    scale_embedding: false,
    apply_spec_augment: false,
    is_encoder_decoder: true,
    pad_token_id: 50256,
    bos_token_id: 50256,
    eos_token_id: 50256,
    decoder_start_token_id: 50257,
    tie_word_embeddings: true,
  },
  aliases: { hidden_size: 'd_model', num_attention_heads: 'encoder_attention_heads' },
  complete(config) {
    for (const half of ['encoder', 'decoder'])
      if ((config.d_model as number) % (config[`${half}_attention_heads`] as number) !== 0)
        throw new Error(`d_model ${config.d_model} is no multiple of ${config[`${half}_attention_heads`]} ${half} heads`);
    if ((config.d_model as number) % 2 !== 0 || config.d_model === 2)
      throw new Error(`d_model is ${config.d_model}: positions as sines and cosines need an even number from 4`);
    // What readers of config files ask for, whatever the model.
    config.num_hidden_layers ??= config.encoder_layers;
    config.suppress_tokens ??= null;
    if (config.begin_suppress_tokens === undefined) config.begin_suppress_tokens = [220, 50256];
    const absent = ['apply_spec_augment', 'encoder_layerdrop', 'decoder_layerdrop'].filter((field) => config[field]);
    if (absent.length > 0) warn(`${absent.join(', ')}: not there yet; training leaves nothing out but by dropout`);
  },
};
