import {
  type Adapter,
  type AttachContext,
  embedTokens,
  type Initializer,
  insertTokens,
  normal,
  Parameter,
  resolveSoftPrompt,
  type SoftPromptBase,
  slice,
  type Tuner,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { type PromptTuningConfig, promptTuningFields, validatePromptTuningConfig } from './config';

/** A learned prompt; it cannot be merged. */
export interface LearnedPrompt extends Adapter<SoftPromptBase> {
  /** The learned tokens [num_virtual_tokens · num_transformer_submodules, token_dim]. */
  readonly embedding: Parameter;
}

export type PromptTuning = Tuner<PromptTuningConfig, SoftPromptBase, LearnedPrompt, Record<string, never>>;

/** The method prompt tuning; pass it where adapters are loaded. A config made by `promptTuningConfig` carries it. */
export const promptTuning: PromptTuning = {
  type: 'PROMPT_TUNING',
  fields: promptTuningFields,
  validate: validatePromptTuningConfig,
  resolve: resolveSoftPrompt,
  attach: (base, config, _name, context) => {
    const { num_virtual_tokens: count, token_dim: width, num_transformer_submodules: submodules } = resolveSoftPrompt(config, base);
    const embedding = new Parameter([count * submodules, width], start(base, config, context));
    return {
      keyPrefix: 'base_model.',
      embedding,
      parameters: () => ({ 'prompt_encoder.embedding.weight': embedding }),
      state: () => ({ prompt_embeddings: embedding }),
      // What is not active does not stand around the model's forward pass.
      enable: () => {},
      detach: () => embedding.dispose(),
      wrap: insertTokens({
        base,
        task: config.task_type,
        count,
        // As in Python PEFT an encoder–decoder model's second half of the rows is saved and never used.
        tokens: () => slice(embedding.value as unknown as tf.Tensor2D, [0, 0], [count, width]),
      }),
    };
  },
};

/** The values that learned tokens start with. Errors: a text and no tokenizer. */
function start(base: SoftPromptBase, config: PromptTuningConfig, { tokenizer, inference }: AttachContext): Initializer {
  const { prompt_tuning_init: init, prompt_tuning_init_text: text } = config;
  if (init === 'RANDOM' || inference) return normal(0, 1);
  if (init === 'SAMPLE_VOCAB') {
    const tokens = base.config.vocab_size as number;
    return (shape, random) =>
      vectors(
        base,
        Array.from({ length: shape[0] as number }, () => random.integer(tokens)),
      );
  }
  if (!tokenizer) throw new Error("prompt_tuning_init 'TEXT' needs a tokenizer: getPeftModel(model, config, { tokenizer })");
  const ids = tokenizer.encode(text as string);
  if (ids.length === 0) throw new Error(`prompt_tuning_init_text ${JSON.stringify(text)} has no tokens: give a longer text`);
  return (shape) =>
    vectors(
      base,
      Array.from({ length: shape[0] as number }, (_, i) => ids[i % ids.length] as number),
    );
}

/** The model's own vectors of tokens, row-major. */
function vectors(base: SoftPromptBase, ids: number[]): Float32Array {
  const rows = tf.tidy(() => embedTokens(base, ids));
  const values = rows.dataSync().slice() as Float32Array;
  rows.dispose();
  return values;
}
