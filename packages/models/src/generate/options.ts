import type { Generator, Ids, Tokenizer } from '@peft/core';
import { cacheLimit } from '../shared/rope';

/** How token ids are continued; names, meaning and defaults are those of Hugging Face's `generate`. */
export interface GenerateOptions {
  /** The prompts [B, T]; shorter ones are padded on the left, with 0 in `attention_mask`. In encoder–decoder models what the encoder reads, padded on either side. */
  input_ids: Ids;
  attention_mask?: Ids;
  token_type_ids?: Ids;
  /** How an encoder–decoder model's sequences begin [B, T']; the start token is put before them where it is missing. @default the start token alone */
  decoder_input_ids?: Ids;
  /** What an encoder–decoder model's sequences start with. @default what the model's files say */
  decoder_start_token_id?: number;
  /** The first token after the start token. @default what the model's files say */
  forced_bos_token_id?: number | null;
  /** The last token of a sequence that has not ended before. @default what the model's files say */
  forced_eos_token_id?: number | null;
  /** Tokens that never come. @default what the model's files say */
  suppress_tokens?: readonly number[] | null;
  /** Tokens that do not come first. @default what the model's files say */
  begin_suppress_tokens?: readonly number[] | null;
  /** @default 20 */
  max_new_tokens?: number;
  /** Tokens in all, the prompt's included; `max_new_tokens` goes before it. */
  max_length?: number;
  /** So many tokens are not `eos_token_id`; other ends still count. @default 0 */
  min_new_tokens?: number;
  /** So many tokens in all, the prompt's included, before `eos_token_id`. @default 0 */
  min_length?: number;
  /** No run of so many tokens comes twice; 0: any may. @default 0 */
  no_repeat_ngram_size?: number;
  /** Draws tokens by their probability instead of taking the likeliest. @default false */
  do_sample?: boolean;
  /** Above 1 more even, below 1 more pointed. @default 1 */
  temperature?: number;
  /** Draws from so many likeliest tokens; 0: from all. @default 50 */
  top_k?: number;
  /** Draws from the likeliest tokens that together have this probability. @default 1 */
  top_p?: number;
  /** Above 1: tokens that stand in the sequence already are less likely. @default 1 */
  repetition_penalty?: number;
  /** Sequences that are followed up at once; the likeliest whole one is given. @default 1 */
  num_beams?: number;
  /** Above 0 favours long sequences in beam search, below 0 short ones. @default 1 */
  length_penalty?: number;
  /** Whether beam search ends as soon as there are `num_beams` whole sequences. @default false */
  early_stopping?: boolean | 'never';
  /** Continuations of each prompt. @default 1 */
  num_return_sequences?: number;
  /** Ends a sequence. @default what the model's files say */
  eos_token_id?: number | readonly number[] | null;
  /** Fills up sequences that ended before others. @default what the model's files say, else the first `eos_token_id` */
  pad_token_id?: number | null;
  /** A sequence ends where this says so. @param ids the sequence so far, prompt included */
  stopping_criteria?: (ids: readonly number[]) => boolean;
  /** A sequence ends when its new text holds one of these; needs `tokenizer`. */
  stop_strings?: readonly string[];
  tokenizer?: Pick<Tokenizer, 'decode'>;
  /** Whether keys and values of earlier positions are kept instead of computed anew. @default true */
  use_cache?: boolean;
  /**
   * Whether an encoder–decoder model's positions count only tokens, not a prefix before them. transformers 4.57 does so, and no
   * token sees more of the prefix than it has tokens before it: what was trained is hardly there. @default false
   */
  ignore_prefix_length?: boolean;
  /** Makes sampling repeatable. @default the default generator goes on */
  seed?: number;
  generator?: Generator;
  /** Is told each new token of each sequence (−1 for those that have ended); not in beam search. */
  onToken?: (tokens: readonly number[]) => void;
  /** Ends generation early: what there is so far is given. */
  signal?: AbortSignal;
}

/** Options with everything filled in. */
export type Settings = Required<Omit<GenerateOptions, OptionalName | 'max_length' | 'eos_token_id'>> &
  Pick<GenerateOptions, OptionalName> & {
    eos: readonly number[];
    /** The length at which a cache is computed anew. */
    cacheLimit: number;
  };
type OptionalName =
  | 'input_ids'
  | 'decoder_input_ids'
  | 'decoder_start_token_id'
  | 'forced_bos_token_id'
  | 'forced_eos_token_id'
  | 'suppress_tokens'
  | 'begin_suppress_tokens'
  | 'attention_mask'
  | 'token_type_ids'
  | 'stopping_criteria'
  | 'stop_strings'
  | 'tokenizer'
  | 'seed'
  | 'generator'
  | 'onToken'
  | 'signal'
  | 'pad_token_id';

const DEFAULTS = {
  min_new_tokens: 0,
  min_length: 0,
  no_repeat_ngram_size: 0,
  do_sample: false,
  temperature: 1,
  top_k: 50,
  top_p: 1,
  repetition_penalty: 1,
  num_beams: 1,
  length_penalty: 1,
  early_stopping: false,
  num_return_sequences: 1,
  use_cache: true,
  ignore_prefix_length: false,
} as const;

/** What the caller says, else the model's `generation_config.json`, else its config, else Hugging Face's defaults. Errors: all values that cannot be. */
export function resolveOptions(
  options: Omit<GenerateOptions, 'input_ids'>,
  promptLength: number,
  generationConfig: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, unknown>>,
): Settings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const known = Object.fromEntries(
    Object.keys({ ...DEFAULTS, max_new_tokens: 0, max_length: 0 })
      .filter((name) => generationConfig[name] != null)
      .map((name) => [name, generationConfig[name]]),
  );
  const all = { ...DEFAULTS, ...known, ...given } as GenerateOptions & typeof DEFAULTS;
  const count = all.max_new_tokens ?? (all.max_length === undefined ? 20 : all.max_length - promptLength);
  const pick = (name: 'eos_token_id' | 'pad_token_id' | 'forced_bos_token_id' | 'forced_eos_token_id') =>
    options[name] !== undefined ? options[name] : ((generationConfig[name] ?? config[name] ?? null) as GenerateOptions[typeof name]);
  const eos = pick('eos_token_id');
  const ends = eos === null || eos === undefined ? [] : typeof eos === 'number' ? [eos] : [...eos];
  const pad = (pick('pad_token_id') as number | null | undefined) ?? ends[0] ?? null;
  const forced = { forced_bos_token_id: pick('forced_bos_token_id'), forced_eos_token_id: pick('forced_eos_token_id') };
  // A config file goes on saying what it said before there were generation configs: where there is one, that alone counts.
  const own = Object.keys(generationConfig).length > 0 && generationConfig._from_model_config !== true;
  const told = own ? generationConfig : { ...config, ...generationConfig };
  const suppressed = Object.fromEntries(
    (['suppress_tokens', 'begin_suppress_tokens'] as const).map((name) => [name, options[name] !== undefined ? options[name] : told[name]]),
  );
  const settings = {
    ...all,
    ...forced,
    ...suppressed,
    max_new_tokens: count,
    eos: ends,
    pad_token_id: pad,
    cacheLimit: cacheLimit(config),
  } as Settings;
  check(settings, promptLength);
  return settings;
}

function check(settings: Settings, promptLength: number): void {
  const wrong: string[] = [];
  const demand = (holds: boolean, message: string) => {
    if (!holds) wrong.push(message);
  };
  const {
    max_new_tokens: count,
    temperature,
    top_k,
    top_p,
    repetition_penalty,
    num_beams,
    num_return_sequences: returned,
    do_sample,
  } = settings;
  demand(
    Number.isInteger(count) && count > 0,
    `there must be at least one token to generate, not ${count} (the prompt has ${promptLength})`,
  );
  demand(
    !do_sample || (temperature > 0 && Number.isFinite(temperature)),
    `temperature must be above 0, not ${temperature}; do_sample: false takes the likeliest token`,
  );
  demand(!do_sample || (Number.isInteger(top_k) && top_k >= 0), `top_k must be a whole number from 0, not ${top_k}`);
  demand(!do_sample || (top_p > 0 && top_p <= 1), `top_p must be above 0 and at most 1, not ${top_p}`);
  demand(
    Number.isInteger(settings.min_new_tokens) && settings.min_new_tokens >= 0,
    `min_new_tokens must be a whole number from 0, not ${settings.min_new_tokens}`,
  );
  for (const name of ['min_length', 'no_repeat_ngram_size'] as const)
    demand(Number.isInteger(settings[name]) && settings[name] >= 0, `${name} must be a whole number from 0, not ${settings[name]}`);
  demand(Number.isFinite(settings.length_penalty), `length_penalty must be a number, not ${settings.length_penalty}`);
  demand(
    [true, false, 'never'].includes(settings.early_stopping),
    `early_stopping must be true, false or "never", not ${JSON.stringify(settings.early_stopping)}`,
  );
  demand(repetition_penalty > 0, `repetition_penalty must be above 0, not ${repetition_penalty}`);
  demand(Number.isInteger(num_beams) && num_beams > 0, `num_beams must be a whole number above 0, not ${num_beams}`);
  demand(Number.isInteger(returned) && returned > 0, `num_return_sequences must be a whole number above 0, not ${returned}`);
  demand(num_beams === 1 || !do_sample, 'do_sample with num_beams above 1 is not there yet: choose one');
  demand(
    do_sample || returned <= num_beams,
    `num_return_sequences ${returned} needs do_sample, or as many beams (num_beams is ${num_beams})`,
  );
  demand(!settings.stop_strings || settings.tokenizer !== undefined, 'stop_strings needs tokenizer');
  if (wrong.length > 0) throw new Error(`generate: ${wrong.join('; ')}`);
}

/** Whether a sequence has ended with its last token. @param ids prompt and what follows it */
export function endTest({ eos, stopping_criteria, stop_strings, tokenizer }: Settings): (ids: readonly number[]) => boolean {
  const ends = new Set(eos);
  // A token holds at least a byte: so many last ones hold any stop string that just came to its end.
  const window = 8 + 3 * Math.max(0, ...(stop_strings ?? []).map((text) => text.length));
  return (ids) => {
    if (ends.has(ids[ids.length - 1] as number) || stopping_criteria?.(ids)) return true;
    if (!stop_strings || !tokenizer) return false;
    const tail = ids.slice(-window);
    const text = tokenizer.decode(tail);
    const old = samePrefix(text, tokenizer.decode(tail.slice(0, -1)));
    return stop_strings.some((stop) => text.includes(stop, Math.max(old - stop.length + 1, 0)));
  };
}

/** How far two texts are the same. */
function samePrefix(a: string, b: string): number {
  let length = 0;
  while (length < b.length && a[length] === b[length]) length++;
  return length;
}
