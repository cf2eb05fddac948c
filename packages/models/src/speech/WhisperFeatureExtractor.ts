import { openSink, type SinkLocation, writePythonJson } from '@peft/core';
import { logMel } from './logMel';

export interface ExtractOptions {
  /** Of the samples, in Hz. Errors: another one than the model's. @default the model's */
  sampling_rate?: number;
  /** `'max_length'`: silence up to `max_length`; `true` or `'longest'`: up to the longest in the batch. @default 'max_length' */
  padding?: boolean | 'longest' | 'max_length';
  /** Cuts to `max_length`. @default true */
  truncation?: boolean;
  /** In samples. @default as many as the model reads at once */
  max_length?: number;
  /** Lengths in samples become multiples of it when padding. */
  pad_to_multiple_of?: number;
  /** @default what the model's preprocessor_config.json says, else false */
  return_attention_mask?: boolean;
}

/** What speech gives, ready for a model's forward pass. */
export interface SpeechFeatures {
  input_features: Float32Array[][]; // [B][mels][frames]
  /** 0 where a frame is padding. */
  attention_mask?: number[][]; // [B][frames]
}

/** Samples between −1 and 1, of one channel. */
export type Samples = Float32Array | readonly number[];

/** Makes log-mel features of speech: of one signal, or of several. */
export interface WhisperFeatureExtractor {
  (speech: Samples | readonly Samples[], options?: ExtractOptions): SpeechFeatures;
  readonly sampling_rate: number;
  readonly feature_size: number;
  readonly hop_length: number;
  /** So many samples the model reads at once. */
  readonly n_samples: number;
  /** Writes `preprocessor_config.json`. */
  savePretrained(where: SinkLocation): Promise<void>;
}

const DEFAULTS = {
  feature_size: 80,
  sampling_rate: 16000,
  hop_length: 160,
  chunk_length: 30,
  n_fft: 400,
  padding_value: 0,
  padding_side: 'right',
  dither: 0,
  return_attention_mask: false,
};
const LIMITS = { feature_size: 1024, sampling_rate: 192000, hop_length: 1 << 16, chunk_length: 3600, n_fft: 1 << 14 };

/** A feature extractor by the contents of its `preprocessor_config.json`. Errors: every field that cannot be. */
export function whisperFeatureExtractor({ mel_filters: _, ...config }: Readonly<Record<string, unknown>> = {}): WhisperFeatureExtractor {
  // The filters, which old files hold, follow from the rest.
  const settings = { ...DEFAULTS, ...config } as typeof DEFAULTS;
  check(settings);
  const { feature_size, sampling_rate, hop_length, chunk_length, n_fft, padding_value } = settings;
  const n_samples = chunk_length * sampling_rate;
  const bandsOf = logMel({ mels: feature_size, samplingRate: sampling_rate, hop: hop_length, size: n_fft });

  const extract: (...given: Parameters<WhisperFeatureExtractor>) => SpeechFeatures = (speech, options = {}) => {
    const { padding = 'max_length', truncation = true, max_length = n_samples, pad_to_multiple_of: multiple = 1 } = options;
    if (options.sampling_rate !== undefined && options.sampling_rate !== sampling_rate)
      throw new Error(`this model reads ${sampling_rate} samples a second, not ${options.sampling_rate}: resample the speech first`);
    const signals = (typeof speech[0] === 'object' ? speech : [speech]) as readonly Samples[];
    const lengths = signals.map(({ length }) => (truncation ? Math.min(length, max_length) : length));
    const longest = Math.max(...lengths);
    const wanted = padding === 'max_length' ? max_length : longest;
    const fill = (length: number) => (padding === false ? length : Math.ceil(Math.max(wanted, length) / multiple) * multiple);
    const input_features = signals.map((signal, i) => {
      const padded = new Float32Array(fill(lengths[i] as number)).fill(padding_value);
      padded.set(signal instanceof Float32Array ? signal.subarray(0, lengths[i]) : signal.slice(0, lengths[i]));
      return bandsOf(padded);
    });
    if (!(options.return_attention_mask ?? settings.return_attention_mask)) return { input_features };
    const attention_mask = input_features.map(([band], i) =>
      Array.from({ length: band?.length ?? 0 }, (_, t) => Number(t * hop_length < (lengths[i] as number))),
    );
    return { input_features, attention_mask };
  };
  return Object.assign(extract, {
    sampling_rate,
    feature_size,
    hop_length,
    n_samples,
    async savePretrained(where: SinkLocation) {
      const all = {
        ...settings,
        feature_extractor_type: 'WhisperFeatureExtractor',
        n_samples,
        nb_max_frames: Math.floor(n_samples / hop_length),
      };
      await (await openSink(where)).write('preprocessor_config.json', writePythonJson(all));
    },
  });
}

function check(settings: typeof DEFAULTS): void {
  const wrong = Object.entries(LIMITS).flatMap(([field, most]) => {
    const value = settings[field as keyof typeof LIMITS];
    return Number.isSafeInteger(value) && value > 0 && value <= most
      ? []
      : [`${field} must be a whole number from 1 to ${most}, not ${JSON.stringify(value)}`];
  });
  if (settings.n_fft % 2 !== 0) wrong.push(`n_fft must be even, not ${settings.n_fft}`);
  if (typeof settings.padding_value !== 'number')
    wrong.push(`padding_value must be a number, not ${JSON.stringify(settings.padding_value)}`);
  if (settings.padding_side !== 'right') wrong.push(`padding_side "${settings.padding_side}" is not there yet; "right" is`);
  if (settings.dither !== 0) wrong.push(`dither ${settings.dither} is not there yet; 0 is`);
  if (wrong.length > 0) throw new Error(`this preprocessor_config.json cannot be used: ${wrong.join('; ')}`);
}
