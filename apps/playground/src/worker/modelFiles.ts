import { type HubProgress, hub, memory, type Source } from '@peft/core';
import type { ModelChoice } from '../api';
import { BUILT_IN, builtInModel } from './builtIn';

/** The files of the model that was chosen, and what it is called. */
export function openModelFiles(choice: ModelChoice, onProgress: (progress: HubProgress) => void): { name: string; source: Source } {
  if (choice.kind === 'built-in') return { name: BUILT_IN, source: builtInModel() };
  if (choice.kind === 'files') return { name: choice.name, source: { ...memory(choice.files), describe: `the folder ${choice.name}` } };
  const { repo, endpoint, token } = choice;
  return { name: repo, source: hub(repo, { endpoint, onProgress, ...(token !== '' && { token }) }) };
}
