import { disposeModule, memorySink, setWarningHandler, type TextBatch } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useTestedEngine } from '../../testing/src/useTestedEngine';
import type { AutoClass } from './auto';
import * as autos from './auto';
import { fixturePath, readFixture } from './fixtures/fixtures';
import type { GenerateOptions } from './generate/options';
import type { TextModel } from './shared/TextModel';
import { relativeBuckets } from './t5';

interface Expected {
  outputs: { model: string; head: 'AutoModel'; what: string; batch: TextBatch; expected: Record<string, number[]> }[];
  generated: { model: string; input: GenerateOptions; options: Omit<GenerateOptions, 'input_ids'>; expected: number[][] }[];
  prefixed: { model: string; batch: TextBatch; shape: number[]; virtual: number[]; expected: number[] }[];
  buckets: { both: boolean; buckets: number; maxDistance: number; first: number; expected: number[] }[];
}

const { outputs, generated, prefixed, buckets } = await readFixture<Expected>('seq2seq/expected.json');
const models: Record<string, TextModel> = {};
const load = (name: string, head = 'AutoModelForSeq2SeqLM'): Promise<TextModel> =>
  (autos as unknown as Record<string, AutoClass<TextModel>>)[head]?.fromPretrained(fixturePath(`seq2seq/${name}`)) as Promise<TextModel>;
let previous: ReturnType<typeof setWarningHandler>;

beforeAll(async () => {
  // A body leaves the head in the file out, and says so.
  previous = setWarningHandler(() => {});
  await useTestedEngine();
  for (const name of ['t5', 'mt5', 'bart']) models[name] = await load(name);
});
afterAll(() => {
  Object.values(models).forEach(disposeModule);
  setWarningHandler(previous);
});

/** The largest distance of two tensors' values, relative to the largest expected. */
function distance(actual: tf.Tensor | undefined, expected: readonly number[]): number {
  const values = actual?.dataSync() ?? [];
  expect(values).toHaveLength(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - (values[i] as number)))) / largest;
}

describe('computes what Python computes', () => {
  test.each(outputs.map((one) => [`${one.model}: ${one.what}`, one] as const))('%s', async (_, { model: name, head, batch, expected }) => {
    const before = tf.memory().numTensors;
    const model = await load(name, head);
    const output = tf.tidy(() => model.forward({ ...batch, return_logits: true }) as Record<string, tf.Tensor>);
    for (const [part, values] of Object.entries(expected)) expect(distance(output[part], values), part).toBeLessThan(2e-5);
    tf.dispose(output);
    disposeModule(model);
    expect(tf.memory().numTensors).toBe(before);
  });

  test.each(prefixed)(
    '$model: keys in the cache that come from no token, positions $batch.cache_position',
    ({ model, batch, shape, virtual, expected }) => {
      tf.tidy(() => {
        const [layers = 0, , heads = 0, positions = 0, size = 0] = shape;
        const all = tf.tensor(virtual, shape);
        const part = (layer: number, which: number) => {
          const own = tf.reshape(tf.slice(all, [layer, which, 0, 0, 0], [1, 1, -1, -1, -1]), [1, heads, positions, size]);
          return tf.tile(own, [3, 1, 1, 1]) as tf.Tensor4D;
        };
        const past_key_values = Array.from({ length: layers }, (_, layer) => ({ key: part(layer, 0), value: part(layer, 1) }));
        expect(distance(models[model]?.forward({ ...batch, past_key_values }).logits, expected)).toBeLessThan(2e-5);
      });
    },
  );

  test.each(buckets)(
    'buckets of distances: $buckets up to $maxDistance, later ones of their own: $both',
    ({ both, buckets, maxDistance, first, expected }) => {
      const bucketOf = relativeBuckets(1 - first, buckets, maxDistance, both);
      expect(expected.map((_, i) => bucketOf(first + i))).toEqual(expected);
    },
  );
});

describe('generates what Python generates', () => {
  test.each(generated.map((one, i) => [`${i}: ${one.model} ${JSON.stringify(one.options)}`, one] as const))(
    '%s',
    async (_, { model, input, options, expected }) => {
      const before = tf.memory().numTensors;
      expect(await models[model]?.generate({ ...input, ...options })).toEqual(expected);
      expect(tf.memory().numTensors).toBe(before);
    },
  );
});

describe.each(['t5', 'mt5', 'bart'])('%s', (name) => {
  const batch = outputs.find(({ model, what }) => model === name && what === 'decoder ids')?.batch as TextBatch;
  const ids = batch.decoder_input_ids as number[][];

  test('gives the same logits from a cache, position by position', () => {
    const model = models[name] as TextModel;
    tf.tidy(() => {
      const whole = (
        model.forward({ ...batch, decoder_attention_mask: ids.map((row) => row.map(() => 1)) }).logits as tf.Tensor3D
      ).arraySync();
      let past: TextBatch['past_key_values'];
      ids[0]?.forEach((_, t) => {
        const { input_ids, attention_mask } = batch as Required<TextBatch>;
        const step = { attention_mask, decoder_input_ids: ids.map((row) => row.slice(t, t + 1)), use_cache: true };
        const output = model.forward(past ? { ...step, past_key_values: past } : { ...step, input_ids });
        past = output.past_key_values;
        expect(
          distance(
            output.logits,
            whole.flatMap((row) => row[t] as number[]),
          ),
        ).toBeLessThan(1e-5);
      });
    });
  });

  test('takes embedded inputs, and the output of an encoder that ran before', () => {
    const model = models[name] as TextModel;
    tf.tidy(() => {
      const whole = model.forward(batch);
      const expected = Array.from((whole.logits as tf.Tensor).dataSync());
      const { input_ids, decoder_input_ids, ...rest } = batch;
      const embed = (values: unknown) => {
        const rows = values as number[][];
        const layer = model.inputEmbeddings() as unknown as { forward(ids: tf.Tensor1D): tf.Tensor2D };
        return tf.reshape(layer.forward(tf.tensor1d(rows.flat(), 'int32')), [rows.length, rows[0]?.length as number, -1]) as tf.Tensor3D;
      };
      const embedded = model.forward({ ...rest, inputs_embeds: embed(input_ids), decoder_inputs_embeds: embed(decoder_input_ids) });
      expect(distance(embedded.logits, expected)).toBeLessThan(1e-6);
      const encoded = { last_hidden_state: whole.encoder_last_hidden_state as tf.Tensor3D };
      const later = model.forward({ ...rest, decoder_input_ids: ids, encoder_outputs: encoded });
      expect(distance(later.logits, expected)).toBeLessThan(1e-6);
    });
  });

  test.each([{}, { num_beams: 3, num_return_sequences: 2 }, { do_sample: true, seed: 3, num_return_sequences: 2 }])(
    '%j: without a cache the same comes out, and the encoder runs once',
    async (options) => {
      const model = models[name] as TextModel;
      const { input_ids, attention_mask } = batch as Required<TextBatch>;
      const before = tf.memory().numTensors;
      const run = async (use_cache: boolean) => {
        let encoded = 0;
        const rows = await model.generate({ input_ids, attention_mask, max_new_tokens: 6, use_cache, ...options }, (given) => {
          if (given.input_ids) encoded += (given.input_ids as number[][]).length;
          return model.forward(given);
        });
        expect(encoded).toBe((input_ids as number[][]).length);
        return rows;
      };
      expect(await run(false)).toEqual(await run(true));
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  test('is read back as it was saved', async () => {
    const model = models[name] as TextModel;
    const sink = memorySink();
    await model.savePretrained(sink);
    const again = await autos.AutoModelForSeq2SeqLM.fromPretrained(sink.files);
    expect(again.auto_mapping.base_model_class).toBe(`${{ t5: 'T5', mt5: 'MT5', bart: 'Bart' }[name]}ForConditionalGeneration`);
    tf.tidy(() => {
      expect(distance(again.forward(batch).logits, Array.from((model.forward(batch).logits as tf.Tensor).dataSync()))).toBe(0);
    });
    disposeModule(again);
  });

  test('says what it misses', () => {
    const model = models[name] as TextModel;
    const { input_ids } = batch as Required<TextBatch>;
    expect(() => model.forward({ input_ids })).toThrow('needs decoder_input_ids, decoder_inputs_embeds or labels');
    expect(() => model.forward({ decoder_input_ids: ids })).toThrow('input_ids');
  });
});
