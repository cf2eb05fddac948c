import { type Fields, field, type SoftPromptConfig, softPromptFields } from '@peft/core';

/** How learned tokens start: random, as tokens of the vocabulary drawn by chance, or as a text's. */
export type PromptTuningInit = 'RANDOM' | 'SAMPLE_VOCAB' | 'TEXT';

/**
 * Prompt tuning's settings, spelled as in `adapter_config.json`.
 *
 * Prompt tuning (Lester et al. 2021, https://arxiv.org/abs/2104.08691): learned token vectors stand before the input's.
 */
export interface PromptTuningConfig extends SoftPromptConfig {
  peft_type: 'PROMPT_TUNING';
  /** @default 'RANDOM', from N(0, 1) */
  prompt_tuning_init: PromptTuningInit;
  /** The text to start from; for TEXT only. */
  prompt_tuning_init_text: string | null;
  /** Names the tokenizer in the file; for TEXT, whose tokenizer is given to `getPeftModel`. */
  tokenizer_name_or_path: string | null;
  /** Settings Python gives its tokenizer; for TEXT only. */
  tokenizer_kwargs: Record<string, unknown> | null;
}

export const promptTuningFields: Fields<PromptTuningConfig> = {
  ...softPromptFields('PROMPT_TUNING'),
  prompt_tuning_init: field.oneOf<PromptTuningInit>('RANDOM', 'SAMPLE_VOCAB', 'TEXT'),
  prompt_tuning_init_text: field.nullable(field.string('')),
  tokenizer_name_or_path: field.nullable(field.string('')),
  tokenizer_kwargs: field.nullable(
    field.custom<Record<string, unknown>>({}, 'an object', (value) => typeof value === 'object' && !Array.isArray(value)),
  ),
};

/** Errors: TEXT without a text or the name of a tokenizer, settings of a tokenizer without TEXT. */
export function validatePromptTuningConfig(config: PromptTuningConfig): void {
  const { prompt_tuning_init: init, prompt_tuning_init_text: text, tokenizer_name_or_path: tokenizer, tokenizer_kwargs: settings } = config;
  const wrong: string[] = [];
  if (init === 'TEXT' && tokenizer === null) wrong.push("prompt_tuning_init 'TEXT' needs tokenizer_name_or_path");
  if (init === 'TEXT' && text === null) wrong.push("prompt_tuning_init 'TEXT' needs prompt_tuning_init_text");
  if (init !== 'TEXT' && settings !== null) wrong.push(`tokenizer_kwargs is for prompt_tuning_init 'TEXT', not '${init}'`);
  if (wrong.length > 0) throw new Error(`this PROMPT_TUNING config cannot be used: ${wrong.join('; ')}`);
}
