import { checkSoftPrompt, makeConfig, type Tuned } from '@peft/core';
import type { PromptEncoderConfig } from './config';
import { type PTuning, pTuning } from './pTuning';

/** A p-tuning config: what is given, over PEFT's defaults. @example `promptEncoderConfig({ task_type: 'SEQ_CLS', num_virtual_tokens: 20, encoder_hidden_size: 128 })` */
export function promptEncoderConfig(
  options: Partial<PromptEncoderConfig> & Pick<PromptEncoderConfig, 'task_type' | 'num_virtual_tokens'>,
): Tuned<PTuning> {
  const config = makeConfig(pTuning, options);
  checkSoftPrompt(config);
  return config;
}
