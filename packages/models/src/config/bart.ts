import type { ModelConfig } from '@peft/core';
import type { ConfigRules } from './ConfigRules';

/** BART's settings, with every default filled in. */
export interface BartConfig extends ModelConfig {
  vocab_size: number;
  d_model: number;
  max_position_embeddings: number;
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
  classifier_dropout: number;
  init_std: number;
  pad_token_id: number | null;
  eos_token_id: number | null;
  decoder_start_token_id: number | null;
  tie_word_embeddings: boolean;
}

export const bart: ConfigRules = {
  defaults: {
    vocab_size: 50265,
    d_model: 1024,
    max_position_embeddings: 1024,
    encoder_layers: 12,
    encoder_ffn_dim: 4096,
    encoder_attention_heads: 16,
    decoder_layers: 12,
    decoder_ffn_dim: 4096,
    decoder_attention_heads: 16,
    activation_function: 'gelu',
    dropout: 0.1,
    attention_dropout: 0,
    activation_dropout: 0,
    classifier_dropout: 0,
    init_std: 0.02,
    scale_embedding: false,
    is_encoder_decoder: true,
    pad_token_id: 1,
    bos_token_id: 0,
    eos_token_id: 2,
    decoder_start_token_id: 2,
    forced_bos_token_id: null,
    forced_eos_token_id: 2,
    tie_word_embeddings: true,
  },
  complete(config) {
    for (const half of ['encoder', 'decoder'])
      if ((config.d_model as number) % (config[`${half}_attention_heads`] as number) !== 0)
        throw new Error(`d_model ${config.d_model} is no multiple of ${config[`${half}_attention_heads`]} ${half} heads`);
    if (config.scale_embedding === true) throw new Error('scale_embedding: true is not known here; false is');
    // What readers of config files ask for, whatever the model.
    config.num_hidden_layers ??= config.encoder_layers;
    if (config.num_labels === undefined && config.id2label === undefined) config.num_labels = 3;
    // What checkpoints of summarisation models said before it had a field of its own.
    if (config.force_bos_token_to_be_generated === true) config.forced_bos_token_id ??= config.bos_token_id;
  },
};
