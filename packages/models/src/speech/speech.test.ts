import { memorySink, setWarningHandler } from '@peft/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixturePath, readFixture } from '../fixtures/fixtures';
import { AutoTokenizer } from '../tokenizer/AutoTokenizer';
import type { SpeechPrefix } from '../tokenizer/speechPrefix';
import { AutoFeatureExtractor } from './AutoFeatureExtractor';
import { AutoProcessor, type WhisperProcessor } from './AutoProcessor';
import { powerSpectra } from './fourier';
import { type ExtractOptions, whisperFeatureExtractor } from './WhisperFeatureExtractor';

interface Expected {
  encoded: { options: SpeechPrefix; texts: string[]; expected: number[][] }[];
  forced: { options: SpeechPrefix; expected: [number, number][]; no_timestamps: boolean }[];
  decoded: { ids: number[]; skip_special_tokens: boolean; expected: string }[];
  prompted: { text: string; expected: number[] }[];
  speech: number[][];
  features: { options: ExtractOptions; shape: number[]; expected: number[]; attention_mask?: number[][] }[];
}

const { encoded, forced, decoded, prompted, speech, features } = await readFixture<Expected>('speech/processor.json');
const where = fixturePath('speech/processor');
let processor: WhisperProcessor;
let previous: ReturnType<typeof setWarningHandler>;
beforeAll(async () => {
  previous = setWarningHandler(() => {});
  processor = await AutoProcessor.fromPretrained(where);
});
afterAll(() => void setWarningHandler(previous));

/** Every third band and every second frame, as the fixtures hold them. */
const thinned = (all: Float32Array[][]) =>
  all.flatMap((bands) => bands.filter((_, m) => m % 3 === 0).flatMap((band) => Array.from(band).filter((_, t) => t % 2 === 0)));

describe('features of speech', () => {
  test.each(features)('$options', ({ options, shape, expected, attention_mask }) => {
    const got = processor(speech, { sampling_rate: 16000, ...options });
    const { input_features: all } = got;
    expect([all.length, all[0]?.length, all[0]?.[0]?.length]).toEqual(shape);
    const own = thinned(all);
    expect(own).toHaveLength(expected.length);
    expect(Math.max(...own.map((value, i) => Math.abs(value - (expected[i] as number))))).toBeLessThan(1e-4);
    expect(got.attention_mask).toEqual(attention_mask);
  });

  test('one signal, as numbers or as an array of floats, is a batch of one', () => {
    const [first = []] = speech;
    const [a] = processor(first).input_features;
    expect(processor(Float32Array.from(first)).input_features).toEqual([a]);
    expect(processor([first]).input_features).toEqual([a]);
  });

  test.each([400, 12, 35, 64, 97, 1].filter((n) => n % 2 === 0))('powers of frequencies are those of the definition, %i samples', (n) => {
    const frames = [3, 7].map((seed) => Float64Array.from({ length: n }, (_, i) => Math.sin(seed * i * i) + 0.1 * i)) as [
      Float64Array,
      Float64Array,
    ];
    const powers = [new Float64Array(n / 2 + 1), new Float64Array(n / 2 + 1)] as [Float64Array, Float64Array];
    powerSpectra(n)(...frames, ...powers);
    frames.forEach((frame, f) => {
      for (let k = 0; k <= n / 2; k++) {
        const part = (wave: (x: number) => number) => frame.reduce((sum, x, i) => sum + x * wave((2 * Math.PI * k * i) / n), 0);
        const wanted = part(Math.cos) ** 2 + part(Math.sin) ** 2;
        expect(Math.abs((powers[f]?.[k] as number) - wanted)).toBeLessThan(1e-9 * Math.max(1, wanted) * n);
      }
    });
  });

  test('what it cannot do is said', async () => {
    expect(() => processor(speech, { sampling_rate: 8000 })).toThrow('reads 16000 samples a second, not 8000');
    expect(() => processor([0, 1, 2], { padding: false })).toThrow('3 samples are too few');
    expect(() => whisperFeatureExtractor({ n_fft: 401, hop_length: 0, dither: 0.1, padding_side: 'left' })).toThrow(
      /hop_length .*; n_fft must be even.*padding_side "left".*dither 0.1/,
    );
    await expect(
      AutoFeatureExtractor.fromPretrained({ 'preprocessor_config.json': '{"feature_extractor_type": "Other"}' }),
    ).rejects.toThrow('"Other"');
    await expect(AutoFeatureExtractor.fromPretrained({ 'config.json': '{}' })).rejects.toThrow('no preprocessor_config.json');
  });
});

describe('texts of speech', () => {
  test.each(encoded)('begin with $options', async ({ options, texts, expected }) => {
    const tokenizer = await AutoTokenizer.fromPretrained(where, options);
    expect(tokenizer([...texts]).input_ids).toEqual(expected);
    const own = await AutoProcessor.fromPretrained(where, options);
    expect(own(speech, { text: texts }).labels).toEqual(expected);
  });

  test.each(forced)('ids that force $options', ({ options, no_timestamps, expected }) => {
    expect(processor.getDecoderPromptIds({ ...options, no_timestamps })).toEqual(expected);
  });

  test.each(decoded)('$ids, special tokens left out: $skip_special_tokens', ({ ids, skip_special_tokens, expected }) => {
    expect(processor.decode(ids, { skip_special_tokens })).toBe(expected);
    expect(processor.batchDecode([ids], { skip_special_tokens })).toEqual([expected]);
  });

  test.each(prompted)('a prompt of $text', ({ text, expected }) => {
    expect(processor.getPromptIds(text)).toEqual(expected);
  });

  test('what cannot be is said', async () => {
    expect(() => processor.getPromptIds('a <|en|> b')).toThrow('special token <|en|>');
    expect(() => processor.getDecoderPromptIds({ language: 'french' })).toThrow('no token <|fr|>');
    await expect(AutoTokenizer.fromPretrained(fixturePath('tokenizers/gpt2'), { task: 'transcribe' })).rejects.toThrow(
      'no token <|startoftranscript|>',
    );
  });
});

test('is read back as it was saved', async () => {
  const german = await AutoProcessor.fromPretrained(where, { language: 'de', task: 'transcribe' });
  const sink = memorySink();
  await german.savePretrained(sink);
  const again = await AutoProcessor.fromPretrained(sink.files);
  const text = 'Zwölf Wörter';
  expect(again(speech, { text: [text] })).toEqual(german(speech, { text: [text] }));
  expect(again.tokenizer.encode(text)).toEqual(german.tokenizer.encode(text));
});
