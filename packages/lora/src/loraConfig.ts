import { makeConfig, type Tuned } from '@peft/core';
import type { LoraConfig } from './config';
import { type Lora, lora } from './lora';

/** A LoRA config: what is given, over PEFT's defaults. @example `loraConfig({ r: 8, lora_alpha: 16, target_modules: ['q_proj'] })` */
export function loraConfig(options: Partial<LoraConfig> = {}): Tuned<Lora> {
  return makeConfig(lora, options);
}
