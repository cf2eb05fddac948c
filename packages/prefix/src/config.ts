import { type Fields, field, type SoftPromptConfig, softPromptFields } from '@peft/core';

/**
 * Prefix tuning's settings, spelled as in `adapter_config.json`.
 *
 * Prefix tuning (Li and Liang 2021, https://arxiv.org/abs/2101.00190): in every layer the keys and values of a few virtual
 * tokens, which are trained, stand before those of the text. `token_dim` is the width of a layer's keys, and of its values.
 */
export interface PrefixTuningConfig extends SoftPromptConfig {
  peft_type: 'PREFIX_TUNING';
  /** Whether the prefix is trained by way of a small network, which its file no longer needs. @default false */
  prefix_projection: boolean;
  /** Width of that network's hidden layer. @default token_dim */
  encoder_hidden_size: number | null;
  /** `null`: N(0, 1), or PyTorch's initialisation of the network; `"zero"`: keys and values of zero. @default null */
  init_weights: 'zero' | null;
}

const { boolean, custom, nullable, oneOf } = field;

export const prefixTuningFields: Fields<PrefixTuningConfig> = {
  ...softPromptFields('PREFIX_TUNING'),
  prefix_projection: boolean(false),
  encoder_hidden_size: nullable(custom(1, 'a whole number above 0', (value) => Number.isSafeInteger(value) && (value as number) > 0)),
  init_weights: nullable(oneOf('zero')),
};
