import { makeConfig, type Tuned } from '@peft/core';
import { type AdaLora, adaLora } from './adalora';
import type { AdaLoraConfig } from './config';

/** An AdaLoRA config: what is given, over PEFT's defaults. @example `adaLoraConfig({ total_step: 1000, init_r: 12, target_r: 8 })` */
export function adaLoraConfig(options: Partial<AdaLoraConfig> & Pick<AdaLoraConfig, 'total_step'>): Tuned<AdaLora> {
  return makeConfig(adaLora, options);
}
