import * as tf from '@tensorflow/tfjs-core';
import type { PretrainedModel } from '../shared/PretrainedModel';
import type { Features, SpeechBatch } from '../shared/SpeechBatch';
import type { Forward } from './Decoding';
import { continued } from './generate';
import { languageToken } from './languages';
import { argMax } from './logits';
import { type GenerateOptions, resolveOptions } from './options';
import { decoderStarts, rowsOf } from './prompts';

/** How speech is written down; names, meaning and defaults are those of Whisper's `generate` in Hugging Face's library. */
export interface TranscribeOptions extends Omit<GenerateOptions, 'input_ids' | 'token_type_ids'> {
  /** As `WhisperFeatureExtractor` makes them. */
  input_features: Features;
  /** The speech's language, or that of each row: `en`, `english` or `<|en|>`. @default what the model's files say, else what is heard */
  language?: string | readonly string[] | null;
  /** Whether the text is in the speech's own language or in English. @default what the model's files say */
  task?: 'transcribe' | 'translate' | null;
  /** Ids of a text before, from the tokenizer's `getPromptIds`: names and spellings that may come. */
  prompt_ids?: readonly number[];
}

type SpeechModel = PretrainedModel<SpeechBatch>;
type Numbers = Readonly<Record<string, number>>;

/** What a model's files say of speech; all may be missing. */
interface SpeechFiles {
  language?: string | null;
  task?: string | null;
  is_multilingual?: boolean;
  lang_to_id?: Numbers;
  task_to_id?: Numbers;
  no_timestamps_token_id?: number;
  forced_decoder_ids?: readonly (readonly [at: number, id: number | null])[] | null;
}

// What Python's method takes and this one does not is refused by name.
const ABSENT = ['return_timestamps', 'return_token_timestamps', 'return_segments', 'condition_on_prev_tokens', 'no_speech_threshold'];

/**
 * Writes down speech, as much as the model reads at once.
 * @returns the text's ids [B · num_return_sequences, ≤ max_new_tokens], without what they begin and end with, filled up with `pad_token_id`
 */
export async function transcribe(model: SpeechModel, options: TranscribeOptions, forward: Forward): Promise<number[][]> {
  const { input_features, prompt_ids = [], decoder_input_ids: given } = options;
  if (!input_features) throw new Error('generate needs input_features');
  const absent = ABSENT.filter((name) => (options as unknown as Record<string, unknown>)[name]);
  if (absent.length > 0) throw new Error(`generate: ${absent.join(', ')}: not there yet; speech is written down at once, without times`);
  const { starts, heard } = given ? { starts: rowsOf(given, 'decoder_input_ids') } : await beginnings(model, options, forward);
  try {
    const rows = rowsIn(input_features);
    if (starts.length !== rows) throw new Error(`decoder_input_ids has ${starts.length} rows, input_features ${rows}`);
    const ids = starts.map((row) => [...prompt_ids, ...row]);
    const length = ids[0]?.length ?? 0;
    const { generation_config: files, config } = model;
    const asked = resolveOptions(options, length, files, config);
    const settings = { ...asked, max_new_tokens: Math.min(asked.max_new_tokens, (config.max_target_positions as number) - length) };
    if (options.max_new_tokens !== undefined && settings.max_new_tokens < options.max_new_tokens)
      throw new Error(
        `generate: ${length} tokens to begin with and max_new_tokens ${options.max_new_tokens} are more than the ${config.max_target_positions} positions of this model's decoder`,
      );
    const batch = heard ? { encoder_outputs: { last_hidden_state: heard } } : { input_features };
    const texts = (await continued(forward, { ids }, { batch }, settings)).map((row) => {
      const text = row.slice(length);
      const end = text.findIndex((id) => settings.eos.includes(id));
      return end < 0 ? text : text.slice(0, end);
    });
    const longest = Math.max(...texts.map((text) => text.length));
    return texts.map((text) => [...text, ...Array.from({ length: longest - text.length }, () => settings.pad_token_id ?? 0)]);
  } finally {
    heard?.dispose();
  }
}

/** What each row begins with: the start, its language, the task, and that no times follow. `heard` is the caller's to dispose. */
async function beginnings(
  model: SpeechModel,
  options: TranscribeOptions,
  forward: Forward,
): Promise<{ starts: number[][]; heard?: tf.Tensor3D }> {
  const files = model.generation_config as SpeechFiles;
  const rows = rowsIn(options.input_features);
  if (files.is_multilingual === false && (options.language || options.task))
    throw new Error('generate: this model knows English alone: leave language and task out');
  const language = options.language ?? files.language ?? null;
  const task = options.task ?? files.task ?? null;
  const [start] = decoderStarts({ ...options, decoder_input_ids: undefined }, 1, model) as [number[]];
  const forced = language === null && task === null ? forcedIds(model) : [];
  const listens = language === null && files.lang_to_id !== undefined && (forced[0] ?? null) === null;
  const { heard, languages } = listens
    ? await listen(options.input_features, start, files.lang_to_id as Numbers, forward)
    : { languages: language === null ? undefined : languageIds(language, rows, files) };
  const starts = Array.from({ length: rows }, (_, row) => {
    const ids = [...start, ...forced];
    if (languages) ids.splice(1, 1, languages[row] as number);
    if (task !== null) ids.push(taskId(task, files));
    else if (language !== null && files.task_to_id && !ids.some((id) => Object.values(files.task_to_id as Numbers).includes(id as number)))
      ids.push(taskId('transcribe', files));
    const { no_timestamps_token_id: untimed } = files;
    if (untimed !== undefined && ids.at(-1) !== untimed) ids.push(untimed);
    return ids.filter((id) => id !== null);
  });
  return { starts, ...(heard && { heard }) };
}

/** What older files say that sequences go on with; nothing in place of a language that is to be heard. */
function forcedIds({ generation_config: files, config }: SpeechModel): (number | null)[] {
  const pairs = ((files as SpeechFiles).forced_decoder_ids ?? config.forced_decoder_ids ?? []) as NonNullable<
    SpeechFiles['forced_decoder_ids']
  >;
  if (pairs[0]?.[0] !== 1) return [];
  const gap = pairs.findIndex(([at], i) => at !== i + 1);
  if (gap >= 0) throw new Error(`forced_decoder_ids ${JSON.stringify(pairs)} hold nothing for position ${gap + 1}`);
  return pairs.map(([, id]) => id);
}

function languageIds(language: string | readonly string[], rows: number, { lang_to_id: known }: SpeechFiles): number[] {
  if (!known) throw new Error("generate: the model's generation_config.json has no lang_to_id, which language needs");
  const each = typeof language === 'string' ? Array.from({ length: rows }, () => language) : language;
  if (each.length !== rows) throw new Error(`generate: language has ${each.length} entries for ${rows} rows`);
  return each.map((one) => {
    const id = known[languageToken(one)];
    if (id === undefined)
      throw new Error(`generate: this model does not know the language "${one}"; it knows ${Object.keys(known).join(', ')}`);
    return id;
  });
}

function taskId(task: string, { task_to_id: known }: SpeechFiles): number {
  const id = known?.[task];
  if (id === undefined)
    throw new Error(
      `generate: task "${task}" is not among those of generation_config.json: ${Object.keys(known ?? {}).join(', ') || 'none'}`,
    );
  return id;
}

/** The likeliest language of each row, and the encoder's output, the caller's to dispose. */
async function listen(
  input_features: Features,
  start: readonly number[],
  known: Numbers,
  forward: Forward,
): Promise<{ languages: number[]; heard: tf.Tensor3D }> {
  const rows = rowsIn(input_features);
  const { logits, heard } = tf.tidy(() => {
    const output = forward({ input_features, decoder_input_ids: Array.from({ length: rows }, () => [...start]), logits_to_keep: 1 });
    return { logits: output.logits as tf.Tensor, heard: output.encoder_last_hidden_state as tf.Tensor3D };
  });
  const scores = (await logits.data()) as Float32Array;
  logits.dispose();
  const width = scores.length / rows;
  const ids = Object.values(known);
  const languages = Array.from(
    { length: rows },
    (_, row) => ids[argMax(Float32Array.from(ids, (id) => scores[row * width + id] as number))] as number,
  );
  return { languages, heard };
}

const rowsIn = (features: Features): number => (features instanceof tf.Tensor ? features.shape[0] : features.length);
