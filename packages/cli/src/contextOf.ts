import type { ModelConfig } from '@peft/core';
import type { TextTokenizer } from '@peft/models';

/** Tokens of an example at most, where nobody says otherwise: what takes neither much time nor much memory. */
const MODERATE = 512;

/** Tokens that an example may have. @param learnt tokens that an adapter puts beside them */
export function contextOf({ max_position_embeddings, n_positions }: ModelConfig, tokenizer: TextTokenizer, learnt: unknown): number {
  const limits = [max_position_embeddings, n_positions, tokenizer.model_max_length].filter((limit) => typeof limit === 'number');
  return Math.min(MODERATE, ...limits) - (typeof learnt === 'number' ? learnt : 0);
}
