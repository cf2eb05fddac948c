import type { GenerateOptions } from '@peft/models';
import type { Option, Values } from './options';

/** How tokens are chosen, by the names of `generate`. */
export const generateOptions = {
  max_new_tokens: { type: 'number', help: 'tokens at most', default: 64 },
  min_new_tokens: { type: 'number', help: 'tokens at least' },
  do_sample: { type: 'flag', help: 'draws tokens by their probability instead of taking the likeliest' },
  temperature: { type: 'number', help: 'above 1 more even, below 1 more pointed; with do_sample' },
  top_k: { type: 'number', help: 'draws from so many likeliest tokens; with do_sample' },
  top_p: { type: 'number', help: 'draws from the likeliest tokens of this probability together; with do_sample' },
  repetition_penalty: { type: 'number', help: 'above 1: tokens that stand there already are less likely' },
  no_repeat_ngram_size: { type: 'number', help: 'no run of so many tokens comes twice' },
  num_beams: { type: 'number', help: 'sequences that are followed up at once' },
  num_return_sequences: { type: 'number', help: 'continuations of each prompt' },
  length_penalty: { type: 'number', help: 'above 0 favours long sequences with num_beams' },
  stop_strings: { type: 'list', help: 'ends where this text comes' },
  seed: { type: 'number', help: 'makes do_sample repeatable' },
} as const satisfies Partial<Record<keyof GenerateOptions, Option>>;

/** What `generate` is told of them: nothing that nobody said, so that the model's own settings count. */
export function generationSettings(values: Values<typeof generateOptions>): Partial<GenerateOptions> {
  const isSaid = (value: unknown) => value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
  const given = Object.keys(generateOptions).map((name) => [name, values[name as keyof typeof generateOptions]] as const);
  return Object.fromEntries(given.filter(([, value]) => isSaid(value)));
}
