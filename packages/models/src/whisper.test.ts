import { adaLoraConfig } from '@peft/adalora';
import { disposeModule, getPeftModel, memorySink, namedParameters, type Parameter, setWarningHandler } from '@peft/core';
import { ia3Config } from '@peft/ia3';
import { loraConfig } from '@peft/lora';
import { promptEncoderConfig } from '@peft/p-tuning';
import { prefixTuningConfig } from '@peft/prefix';
import { promptTuningConfig } from '@peft/prompt-tuning';
import { checkGradients } from '@peft/testing';
import { adamW } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useTestedEngine } from '../../testing/src/useTestedEngine';
import { AutoModel, AutoModelForSpeechSeq2Seq, autoClassFor } from './auto';
import { normalizeConfig } from './config';
import { fixturePath, readFixture } from './fixtures/fixtures';
import type { TranscribeOptions } from './generate/transcribe';
import type { SpeechBatch } from './shared/SpeechBatch';
import { WhisperForConditionalGeneration } from './whisper';

interface Expected {
  input_features: number[][][];
  outputs: { head: 'AutoModel' | 'AutoModelForSpeechSeq2Seq'; what: string; batch: SpeechBatch; expected: Record<string, number[]> }[];
  gradients: Record<string, number[]>;
  generated: { files: Record<string, unknown>; options: Omit<TranscribeOptions, 'input_features'>; expected: number[][] }[];
}

const { input_features: features, outputs, gradients, generated } = await readFixture<Expected>('speech/expected.json');
const load = () => AutoModelForSpeechSeq2Seq.fromPretrained(fixturePath('speech/whisper'));
const bare = { bos_token_id: 3, decoder_start_token_id: 4, eos_token_id: 2, pad_token_id: 1 };
let model: WhisperForConditionalGeneration;
let input_features: tf.Tensor3D;
let previous: ReturnType<typeof setWarningHandler>;

beforeAll(async () => {
  await useTestedEngine();
  // A body leaves the head in the file out, and says so.
  previous = setWarningHandler(() => {});
  model = await load();
  input_features = tf.tensor3d(features);
});
afterAll(() => {
  disposeModule(model);
  input_features.dispose();
  setWarningHandler(previous);
});

/** The largest distance of values, relative to the largest expected. */
function distance(actual: tf.Tensor | undefined, expected: readonly number[]): number {
  const values = actual?.dataSync() ?? [];
  expect(values).toHaveLength(expected.length);
  return Math.max(...expected.map((value, i) => Math.abs(value - (values[i] as number)))) / Math.max(...expected.map(Math.abs));
}
const batchOf = (what: string): SpeechBatch => ({ ...(outputs.find((one) => one.what === what)?.batch as SpeechBatch), input_features });
const plainLogits = (forward: WhisperForConditionalGeneration['forward'], batch: SpeechBatch) =>
  tf.tidy(() => Array.from((forward(batch).logits as tf.Tensor).dataSync()));

describe('computes what Python computes', () => {
  test.each(outputs.map((one) => [one.what, one] as const))('%s', async (_, { head, batch, expected }) => {
    const before = tf.memory().numTensors;
    const one = head === 'AutoModel' ? await AutoModel.fromPretrained(fixturePath('speech/whisper')) : await load();
    const output = tf.tidy(() => one.forward({ ...batch, input_features, return_logits: true }) as Record<string, tf.Tensor>);
    for (const [part, values] of Object.entries(expected)) expect(distance(output[part], values), part).toBeLessThan(2e-5);
    tf.dispose(output);
    disposeModule(one);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('gradients of all that is trained, convolutions and positions too', async () => {
    const optimizer = adamW(model, {});
    optimizer.backward(() => model.forward(batchOf('labels')).loss as tf.Scalar);
    const largest = Math.max(...Object.values(gradients).flat().map(Math.abs));
    for (const [name, expected] of Object.entries(gradients)) {
      const own = Array.from((optimizer.gradients[name] as tf.Tensor).dataSync());
      expect(Math.max(...own.map((value, i) => Math.abs(value - (expected[i] as number)))) / largest, name).toBeLessThan(1e-5);
    }
    expect(Object.keys(gradients).some((name) => name.includes('conv2.weight'))).toBe(true);
    // Sines stay what they are.
    expect(Object.keys(optimizer.gradients)).not.toContain('model.encoder.embed_positions.weight');
    optimizer.dispose();
  });

  test('positions of the encoder start as sines and cosines', () => {
    const saved = model.model.encoder.embed_positions.weight;
    const fresh = new WhisperForConditionalGeneration(model.config).model.encoder.embed_positions.weight;
    fresh.initialize();
    expect(distance(fresh.value, Array.from(saved.value.dataSync()))).toBeLessThan(1e-6);
    fresh.dispose();
  });
});

describe('writes down what Python writes down', () => {
  test.each(generated.map((one, i) => [`${i}: ${JSON.stringify(one.files)} ${JSON.stringify(one.options)}`, one] as const))(
    '%s',
    async (_, { files, options, expected }) => {
      model.generation_config = { ...bare, ...files };
      const before = tf.memory().numTensors;
      expect(await model.generate({ input_features, ...options })).toEqual(expected);
      expect(await model.generate({ input_features, ...options, use_cache: false })).toEqual(expected);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  test('the encoder runs once, also where the language is heard', async () => {
    model.generation_config = { ...bare, lang_to_id: { '<|en|>': 10, '<|de|>': 11 } };
    let runs = 0;
    await model.generate({ input_features, max_new_tokens: 4, num_beams: 2 }, (batch) => {
      if (batch.input_features) runs++;
      return model.forward(batch);
    });
    expect(runs).toBe(1);
  });

  test('a config without a file beside it says what is suppressed; a file alone counts where there is one', async () => {
    const [first, without] = await (async () => {
      model.generation_config = {};
      const first = await model.generate({ input_features, max_new_tokens: 1 });
      model.config.begin_suppress_tokens = first.flat();
      return [first, await model.generate({ input_features, max_new_tokens: 1 })];
    })();
    expect(without.flat().some((id) => first.flat().includes(id))).toBe(false);
    model.generation_config = bare;
    expect(await model.generate({ input_features, max_new_tokens: 1 })).toEqual(first);
    model.config.begin_suppress_tokens = null;
  });

  test.each<[Record<string, unknown>, Partial<TranscribeOptions> & Record<string, unknown>, string]>([
    [{}, { language: 'en' }, 'no lang_to_id'],
    [{}, { task: 'translate' }, 'task "translate" is not among those of generation_config.json: none'],
    [{ is_multilingual: false }, { language: 'en' }, 'knows English alone'],
    [{ lang_to_id: { '<|en|>': 10 } }, { language: 'elvish' }, '"elvish" is not known'],
    [{ lang_to_id: { '<|en|>': 10 } }, { language: 'german' }, 'it knows <|en|>'],
    [{ lang_to_id: { '<|en|>': 10 } }, { language: ['en'] }, '1 entries for 3 rows'],
    [
      {
        forced_decoder_ids: [
          [1, 5],
          [3, 6],
        ],
      },
      {},
      'nothing for position 2',
    ],
    [{}, { max_new_tokens: 24 }, '24 positions'],
    [{}, { return_timestamps: true }, 'return_timestamps: not there yet'],
    [{}, { decoder_input_ids: [[4]] }, '1 rows'],
  ])('%j %j is refused', async (files, options, message) => {
    model.generation_config = { ...bare, ...files };
    const before = tf.memory().numTensors;
    await expect(model.generate({ input_features, ...options })).rejects.toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('gives the same logits from a cache, position by position', () => {
  const batch = batchOf('decoder ids');
  const ids = batch.decoder_input_ids as number[][];
  tf.tidy(() => {
    const { decoder_attention_mask: _, ...open } = batch;
    const whole = (model.forward(open).logits as tf.Tensor3D).arraySync();
    let past: SpeechBatch['past_key_values'];
    ids[0]?.forEach((_, t) => {
      const step = { decoder_input_ids: ids.map((row) => row.slice(t, t + 1)), use_cache: true };
      const output = model.forward(past ? { ...step, past_key_values: past } : { ...step, input_features });
      past = output.past_key_values;
      const expected = whole.flatMap((row) => row[t] as number[]);
      expect(distance(output.logits, expected)).toBeLessThan(1e-5);
    });
  });
});

test('is read back as it was saved, under its name in Python', async () => {
  const sink = memorySink();
  await model.savePretrained(sink);
  const again = await autoClassFor('WhisperForConditionalGeneration', 'whisper').fromPretrained(sink.files);
  expect(again.auto_mapping).toEqual({
    base_model_class: 'WhisperForConditionalGeneration',
    parent_library: 'transformers.models.whisper.modeling_whisper',
  });
  const batch = batchOf('labels');
  expect(plainLogits((one) => again.forward(one), batch)).toEqual(plainLogits((one) => model.forward(one), batch));
  disposeModule(again);
});

test('says what it misses', () => {
  expect(() => model.forward({ labels: [[1, 2]] })).toThrow('give input_features');
  expect(() => model.forward({ labels: [[1, 2]], input_features: tf.zeros([1, 8, 19]) })).toThrow('this model takes [B, 8, 20]');
  expect(() => model.forward({ labels: [Array.from({ length: 25 }, () => 5)], input_features: tf.zeros([1, 8, 20]) })).toThrow('24');
  expect(() => normalizeConfig({ model_type: 'whisper', d_model: 384, encoder_attention_heads: 5 })).toThrow('no multiple of 5');
});

describe('adapters', () => {
  const targets = ['q_proj', 'v_proj', 'fc1'];
  test.each([
    ['LoRA', () => loraConfig({ r: 2, target_modules: targets })],
    ['LoRA on every linear layer but the head', () => loraConfig({ r: 2, target_modules: 'all-linear' })],
    ['DoRA', () => loraConfig({ r: 2, target_modules: targets, use_dora: true })],
    ['AdaLoRA', () => adaLoraConfig({ init_r: 2, target_r: 1, total_step: 10, target_modules: targets })],
    ['(IA)³', () => ia3Config({ target_modules: ['k_proj', 'v_proj', 'fc2'], feedforward_modules: ['fc2'] })],
  ])('%s trains, merges and comes off', async (method, config) => {
    const base = await load();
    const batch = batchOf('labels');
    const before = plainLogits((one) => base.forward(one), batch);
    const peft = getPeftModel(base, config() as ReturnType<typeof loraConfig>);
    expect(Object.keys(peft.trainableParameters()).some((name) => name.includes('proj_out'))).toBe(false);
    for (const parameter of Object.values(peft.trainableParameters()))
      parameter.set(Array.from(parameter.value.dataSync(), (value, i) => value + 0.2 * Math.sin(i + 1)));
    peft.eval();
    const one = (name: RegExp) => Object.entries(peft.trainableParameters()).find(([path]) => name.test(path))?.[1] as Parameter;
    if (['LoRA', '(IA)³'].includes(method)) {
      const some = [one(/encoder\.layers\.0\.self_attn\.v_proj/), one(/decoder\.layers\.1\.encoder_attn\.v_proj/)];
      checkGradients(() => peft.forward(batch).loss as tf.Scalar, some, { epsilon: 0.01, tolerance: 1e-2 });
    }
    const adapted = plainLogits((one) => peft.forward(one), batch);
    expect(Math.max(...adapted.map((value, i) => Math.abs(value - (before[i] as number))))).toBeGreaterThan(0.01);
    const written = await peft.generate({ input_features, max_new_tokens: 5 });
    const merged = peft.mergeAndUnload();
    const after = plainLogits((one) => merged.forward(one), batch);
    expect(Math.max(...adapted.map((value, i) => Math.abs(value - (after[i] as number))))).toBeLessThan(1e-4);
    expect(await merged.generate({ input_features, max_new_tokens: 5 })).toEqual(written);
    disposeModule(merged);
  });

  test('each row of a batch has its own', async () => {
    const base = await load();
    const peft = getPeftModel(base, loraConfig({ r: 2, target_modules: targets, init_lora_weights: false })).eval();
    const batch = { input_features, decoder_input_ids: features.map(() => [4, 5, 6]) };
    const whole = () => plainLogits((given) => peft.forward(given), batch);
    const [adapted, plain] = [whole(), peft.disableAdapter(whole)];
    const names = features.map((_, row) => (row === 0 ? 'default' : '__base__'));
    const mixed = plainLogits((given) => peft.forward({ ...given, adapter_names: names }), batch);
    const row = mixed.length / features.length;
    const wanted = [...adapted.slice(0, row), ...plain.slice(row)];
    expect(Math.max(...mixed.map((value, i) => Math.abs(value - (wanted[i] as number))))).toBeLessThan(1e-5);
    expect(Math.max(...adapted.map((value, i) => Math.abs(value - (plain[i] as number))))).toBeGreaterThan(1e-3);
    expect(() => peft.forward({ input_features, adapter_names: [...names, 'default'] })).toThrow(
      `${names.length + 1} names for ${names.length} rows`,
    );
    peft.dispose();
  });

  test.each([
    ['prompt tuning', promptTuningConfig({ task_type: 'SEQ_2_SEQ_LM', num_virtual_tokens: 2 })],
    ['p-tuning', promptEncoderConfig({ task_type: 'SEQ_2_SEQ_LM', num_virtual_tokens: 2, encoder_hidden_size: 4 })],
    ['prefix tuning', prefixTuningConfig({ task_type: 'SEQ_2_SEQ_LM', num_virtual_tokens: 2 })],
  ])('%s is refused: there are no tokens that are read', (_, config) => {
    const before = [...namedParameters(model)].map(([, { trainable }]) => trainable);
    expect(() => getPeftModel(model as never, config as never)).toThrow('this model reads input_features');
    expect([...namedParameters(model)].map(([, { trainable }]) => trainable)).toEqual(before);
  });
});
