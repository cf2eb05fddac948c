import { checkSoftPrompt, makeConfig, type Tuned } from '@peft/core';
import type { PromptTuningConfig } from './config';
import { type PromptTuning, promptTuning } from './promptTuning';

/** A prompt tuning config: what is given, over PEFT's defaults. @example `promptTuningConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 8 })` */
export function promptTuningConfig(
  options: Partial<PromptTuningConfig> & Pick<PromptTuningConfig, 'task_type' | 'num_virtual_tokens'>,
): Tuned<PromptTuning> {
  const config = makeConfig(promptTuning, options);
  checkSoftPrompt(config);
  return config;
}
