import { makeConfig, type Tuned } from '@peft/core';
import type { PrefixTuningConfig } from './config';
import { type PrefixTuning, prefixTuning } from './prefixTuning';

/** A prefix-tuning config: what is given, over PEFT's defaults. @example `prefixTuningConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 20 })` */
export function prefixTuningConfig(
  options: Partial<PrefixTuningConfig> & Pick<PrefixTuningConfig, 'num_virtual_tokens'>,
): Tuned<PrefixTuning> {
  return makeConfig(prefixTuning, options);
}
