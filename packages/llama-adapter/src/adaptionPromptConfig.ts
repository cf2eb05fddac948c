import { makeConfig, type Tuned } from '@peft/core';
import type { AdaptionPromptConfig } from './config';
import { type LlamaAdapter, llamaAdapter } from './llamaAdapter';

/** A LLaMA-Adapter config: what is given, over PEFT's defaults. @example `adaptionPromptConfig({ adapter_len: 10, adapter_layers: 30 })` */
export function adaptionPromptConfig(
  options: Partial<AdaptionPromptConfig> & Pick<AdaptionPromptConfig, 'adapter_len' | 'adapter_layers'>,
): Tuned<LlamaAdapter> {
  return makeConfig(llamaAdapter, options);
}
