import { commonFields, type Fields, field, type PeftConfig } from '@peft/core';

/**
 * LLaMA-Adapter's settings, spelled as in `adapter_config.json`.
 *
 * LLaMA-Adapter (Zhang et al. 2023, https://arxiv.org/abs/2303.16199): in the top layers every position also attends to
 * learned prompts; what it finds there is multiplied by a gate that starts at zero and is added to the attention's output.
 */
export interface AdaptionPromptConfig extends PeftConfig {
  peft_type: 'ADAPTION_PROMPT';
  /** Name of the attention modules. @default by model_type */
  target_modules: string | null;
  /** Number of prompt positions in a layer; must be given. */
  adapter_len: number;
  /** Number of layers with prompts, counted from the top; must be given. */
  adapter_layers: number;
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;
/** A default of null as in Python PEFT's files; validation then asks for a number. */
const count = field.custom<number>(null as never, 'a whole number above 0', isCount);

export const adaptionPromptFields: Fields<AdaptionPromptConfig> = {
  ...commonFields('ADAPTION_PROMPT'),
  target_modules: field.nullable(field.custom('', 'a name', (value) => typeof value === 'string' && value !== '')),
  adapter_len: count,
  adapter_layers: count,
};

/** Errors: what must be given and is not. */
export function validateAdaptionPromptConfig(config: AdaptionPromptConfig): void {
  const missing = (['adapter_len', 'adapter_layers'] as const).filter((name) => !isCount(config[name]));
  if (missing.length > 0)
    throw new Error(`this ADAPTION_PROMPT config cannot be used: ${missing.join(' and ')} must be given, each a whole number above 0`);
}
