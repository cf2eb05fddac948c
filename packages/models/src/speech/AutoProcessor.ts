import { type HubOptions, type Location, openSink, openSource, type SinkLocation } from '@peft/core';
import { AutoTokenizer } from '../tokenizer/AutoTokenizer';
import { prefixTokens, type SpeechPrefix } from '../tokenizer/speechPrefix';
import type { TextTokenizer } from '../tokenizer/TextTokenizer';
import { AutoFeatureExtractor } from './AutoFeatureExtractor';
import type { ExtractOptions, SpeechFeatures, WhisperFeatureExtractor } from './WhisperFeatureExtractor';

/** What a model of speech needs around it: features of speech, ids of text, and text of ids. */
export interface WhisperProcessor {
  /** Features of speech and, with its text, `labels`. */
  (
    speech: Parameters<WhisperFeatureExtractor>[0],
    options?: ExtractOptions & { text?: string | readonly string[] },
  ): SpeechFeatures & { labels?: number[][] };
  readonly feature_extractor: WhisperFeatureExtractor;
  readonly tokenizer: TextTokenizer;
  decode: TextTokenizer['decode'];
  batchDecode: TextTokenizer['batchDecode'];
  /** What `forced_decoder_ids` holds for a language and a task: positions with their tokens. */
  getDecoderPromptIds(options?: Omit<SpeechPrefix, 'predict_timestamps'> & { no_timestamps?: boolean }): [number, number][];
  /** The `prompt_ids` of a text, for `generate`: names and spellings that may come. Errors: special tokens in it. */
  getPromptIds(text: string): number[];
  /** Writes the files of both. */
  savePretrained(where: SinkLocation): Promise<void>;
}

/** Loads feature extractor and tokenizer of a model. */
export const AutoProcessor = {
  /** From a folder, a hub repository or files in memory; language and task are those of the texts to be learnt. */
  async fromPretrained(where: Location, options: HubOptions & SpeechPrefix = {}): Promise<WhisperProcessor> {
    const source = await openSource(where, options);
    const feature_extractor = await AutoFeatureExtractor.fromPretrained(source);
    const { language, task, predict_timestamps } = options;
    const tokenizer = await AutoTokenizer.fromPretrained(source, {
      ...(language !== undefined && { language }),
      ...(task !== undefined && { task }),
      ...(predict_timestamps !== undefined && { predict_timestamps }),
    });
    return whisperProcessor(feature_extractor, tokenizer);
  },
};

/** A processor of its two parts. */
export function whisperProcessor(feature_extractor: WhisperFeatureExtractor, tokenizer: TextTokenizer): WhisperProcessor {
  const idOf = (token: string) => tokenizer.tokenToId(token) as number;
  const process: (...given: Parameters<WhisperProcessor>) => SpeechFeatures & { labels?: number[][] } = (
    speech,
    { text, ...options } = {},
  ) => {
    const features = feature_extractor(speech, options);
    if (text === undefined) return features;
    return { ...features, labels: tokenizer(typeof text === 'string' ? [text] : text).input_ids };
  };
  return Object.assign(process, {
    feature_extractor,
    tokenizer,
    decode: tokenizer.decode,
    batchDecode: tokenizer.batchDecode,
    getDecoderPromptIds: ({ no_timestamps = true, ...prefix }: SpeechPrefix & { no_timestamps?: boolean } = {}) =>
      prefixTokens(tokenizer, { ...prefix, predict_timestamps: !no_timestamps })
        .slice(1)
        .map((token, i): [number, number] => [i + 1, idOf(token)]),
    getPromptIds(text: string) {
      const ids = tokenizer.encode(` ${text.trim()}`, { add_special_tokens: false });
      const special = ids.find((id) => tokenizer.all_special_ids.includes(id));
      if (special !== undefined) throw new Error(`the prompt holds the special token ${tokenizer.idToToken(special)}: leave it out`);
      return [idOf('<|startofprev|>'), ...ids];
    },
    async savePretrained(where: SinkLocation) {
      const sink = await openSink(where);
      await tokenizer.savePretrained(sink);
      await feature_extractor.savePretrained(sink);
    },
  });
}
