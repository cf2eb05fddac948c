export type { PromptEncoderConfig, PromptEncoderType } from './config';
export { PromptEncoder } from './PromptEncoder';
export { promptEncoderConfig } from './promptEncoderConfig';
export { type EncodedPrompt, type PTuning, pTuning } from './pTuning';
export type { PromptTemplate } from './template';
