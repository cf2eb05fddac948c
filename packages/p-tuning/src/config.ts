import { type Fields, field, type SoftPromptConfig, softPromptFields } from '@peft/core';
import { checkTemplate, isTemplate, type PromptTemplate } from './template';

/** What makes the prompt of its embedding. */
export type PromptEncoderType = 'MLP' | 'LSTM';

/**
 * P-tuning's settings, spelled as in `adapter_config.json`.
 *
 * P-tuning (Liu et al. 2021, https://arxiv.org/abs/2103.10385): a small network makes the learned tokens; the file holds what
 * it gives and the network is not needed any more.
 */
export interface PromptEncoderConfig extends SoftPromptConfig {
  peft_type: 'P_TUNING';
  /** @default 'MLP' */
  encoder_reparameterization_type: PromptEncoderType;
  /** Width of the network. @default token_dim */
  encoder_hidden_size: number | null;
  /** Layers of the LSTM; the MLP always has the same. @default 2 */
  encoder_num_layers: number;
  /** Dropout between the LSTM's layers. @default 0 */
  encoder_dropout: number;
  /** Where learned tokens, anchor tokens and the input stand; unknown to Python PEFT. @default all learned tokens before the input */
  prompt_template?: PromptTemplate;
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;

export const promptEncoderFields: Fields<PromptEncoderConfig> = {
  ...softPromptFields('P_TUNING'),
  encoder_reparameterization_type: field.oneOf<PromptEncoderType>('MLP', 'LSTM'),
  encoder_hidden_size: field.nullable(field.custom<number>(1, 'a whole number above 0', isCount)),
  encoder_num_layers: field.custom(2, 'a whole number above 0', isCount),
  encoder_dropout: { ...field.custom(0, 'a number from 0 to 1', (value) => (value as number) >= 0 && (value as number) <= 1), float: true },
  prompt_template: field.optional(
    field.custom<PromptTemplate>(['input'], 'a list of numbers, "input", { "input": number } and { "tokens": ids }', isTemplate),
  ) as never,
};

/** Errors: a template that does not hold each learned token and the input once. */
export function validatePromptEncoderConfig({ prompt_template: template, num_virtual_tokens: count }: PromptEncoderConfig): void {
  const wrong = template ? checkTemplate(template, count) : [];
  if (wrong.length > 0) throw new Error(`this P_TUNING config cannot be used: ${wrong.join('; ')}`);
}
