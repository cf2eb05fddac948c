export type { PromptTuningConfig, PromptTuningInit } from './config';
export { type LearnedPrompt, type PromptTuning, promptTuning } from './promptTuning';
export { promptTuningConfig } from './promptTuningConfig';
