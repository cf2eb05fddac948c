export { AdaptedAttention } from './AdaptedAttention';
export { adaptionPromptConfig } from './adaptionPromptConfig';
export type { AdaptionPromptConfig } from './config';
export { type AdaptionPrompts, type LlamaAdapter, llamaAdapter } from './llamaAdapter';
