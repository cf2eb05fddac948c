import {
  disposeModule,
  type Ids,
  memorySink,
  namedParameters,
  setTraining,
  setWarningHandler,
  type TextBatch,
  writeSafetensors,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkGradients } from '../../testing/src/gradcheck';
import { useTestedEngine } from '../../testing/src/useTestedEngine';
import type { AutoClass } from './auto';
import * as autos from './auto';
import { readFixture } from './fixtures/fixtures';
import type { GenerateOptions } from './generate/options';
import type { TextModel } from './shared/TextModel';

interface Head {
  architecture: string;
  parameters: Record<string, number[]>;
  outputs: { what: string; batch: TextBatch; expected: Record<string, number[]> }[];
}

interface Expected {
  what: string;
  config: Record<string, unknown>;
  heads: Record<string, Head>;
  prefixed: { what: string; name: string; shape: number[]; batch: TextBatch; expected: number[] }[];
  generated: { input: GenerateOptions; options: Omit<GenerateOptions, 'input_ids'>; expected: number[][] }[];
}

const models = await readFixture<Expected[]>('causal/expected.json');
let previous: ReturnType<typeof setWarningHandler>;
const warnings: string[] = [];

beforeAll(async () => {
  previous = setWarningHandler((message) => warnings.push(message));
  await useTestedEngine();
});
afterAll(() => void setWarningHandler(previous));

/** Numbers that look random and follow from a name, as fixtures/causal/make.py makes them. */
function valuesOf(name: string, shape: readonly number[]): Float32Array {
  let seed = 2166136261;
  for (const character of name) seed = Math.imul(seed ^ character.charCodeAt(0), 16777619);
  const count = shape.reduce((product, n) => product * n, 1);
  return Float32Array.from({ length: count }, (_, i) => {
    let x = (Math.imul(i, 0x9e3779b1) + seed) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    const uniform = ((x ^ (x >>> 16)) >>> 8) / 2 ** 23 - 1;
    return shape.length > 1 ? uniform * 0.5 : uniform * 0.2 + (name.endsWith('weight') ? 1 : 0);
  });
}

/** A model from files as Python would save them; nothing in them may be missing or left over. */
async function load({ config, heads }: Expected, head: string): Promise<TextModel> {
  const { parameters } = heads[head] as Head;
  const tensors = Object.entries(parameters).map(
    ([name, shape]) => [name, { dtype: 'F32' as const, shape, data: valuesOf(name, shape) }] as const,
  );
  const files = {
    'config.json': new TextEncoder().encode(JSON.stringify(config)),
    'model.safetensors': writeSafetensors(Object.fromEntries(tensors)),
  };
  warnings.length = 0;
  const model = await (autos as unknown as Record<string, AutoClass<TextModel>>)[head]?.fromPretrained(files);
  expect(warnings).toEqual([]);
  return model as TextModel;
}

/** The largest distance of values, relative to the largest expected; where a mask is given, at attended positions only. */
function distance(actual: tf.Tensor | undefined, expected: readonly number[], mask?: Ids): number {
  const values = actual?.dataSync() ?? [];
  expect(values).toHaveLength(expected.length);
  const seen = (mask as number[][] | undefined)?.flat();
  const width = expected.length / (seen?.length ?? 1);
  const distances = expected.map((value, i) => (seen?.[Math.floor(i / width)] === 0 ? 0 : Math.abs(value - (values[i] as number))));
  return Math.max(...distances) / Math.max(...expected.map(Math.abs));
}

const byToken = (head: string, part: string) =>
  part !== 'loss' && /^AutoModel(ForCausalLM|ForTokenClassification|ForQuestionAnswering)?$/.test(head);
const cases = models.flatMap((one) => Object.keys(one.heads).map((head) => [`${one.what}: ${head}`, one, head] as const));

test.each(cases)('%s computes what Python computes', async (_, one, head) => {
  const before = tf.memory().numTensors;
  const model = await load(one, head);
  const { architecture, parameters, outputs } = one.heads[head] as Head;
  expect(model.auto_mapping.base_model_class).toBe(architecture);
  expect(new Set([...namedParameters(model)].map(([, parameter]) => parameter)).size).toBe(Object.keys(parameters).length);
  for (const { what, batch, expected } of outputs) {
    const output = tf.tidy(() => model.forward({ ...batch, return_logits: true }) as Record<string, tf.Tensor>);
    for (const [part, values] of Object.entries(expected))
      expect(distance(output[part], values, byToken(head, part) ? batch.attention_mask : undefined), `${what}: ${part}`).toBeLessThan(2e-5);
    tf.dispose(output);
  }
  disposeModule(model);
  expect(tf.memory().numTensors).toBe(before);
});

describe.each(models.map((one) => [one.what, one] as const))('%s', (_, one) => {
  const { outputs } = one.heads.AutoModelForCausalLM as Head;
  const [right, left] = ['right padding, labels', 'left padding'].map((name) => outputs.find(({ what }) => what === name)?.batch) as [
    Required<TextBatch>,
    Required<TextBatch>,
  ];
  let model: TextModel;
  beforeAll(async () => {
    model = await load(one, 'AutoModelForCausalLM');
  });
  afterAll(() => disposeModule(model));
  const logits = (batch: TextBatch) => model.forward({ ...batch, return_logits: true }).logits as tf.Tensor3D;

  test.each(one.prefixed)('$what behind keys in the cache that come from no token', ({ name, shape, batch, expected }) => {
    tf.tidy(() => {
      const [layers = 0, , heads = 0, positions = 0, size = 0] = shape;
      const all = tf.tensor(valuesOf(name, shape), shape);
      const part = (layer: number, which: number) => {
        const own = tf.reshape(tf.slice(all, [layer, which, 0, 0, 0], [1, 1, -1, -1, -1]), [1, heads, positions, size]);
        return tf.tile(own, [3, 1, 1, 1]) as tf.Tensor4D;
      };
      const past_key_values = Array.from({ length: layers }, (_, layer) => ({ key: part(layer, 0), value: part(layer, 1) }));
      const own = (batch.attention_mask as number[][]).map((row) => row.slice(positions));
      expect(distance(logits({ ...batch, past_key_values }), expected, own)).toBeLessThan(2e-5);
    });
  });

  test.each(one.generated.map((generated, i) => [i, generated] as const))(
    'generates what Python generates (%i)',
    async (_, { input, options, expected }) => {
      const before = tf.memory().numTensors;
      expect(await model.generate({ ...input, ...options })).toEqual(expected);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  test.each([{}, { num_beams: 2 }])(
    '%j: without a cache the same is generated, and of a padded batch the same as of single rows',
    async (options) => {
      const { input_ids, attention_mask } = left as unknown as { input_ids: number[][]; attention_mask: number[][] };
      const settings = { ...options, max_new_tokens: 5, eos_token_id: 2, pad_token_id: 0 };
      const rows = await model.generate({ input_ids, attention_mask, ...settings });
      expect(await model.generate({ input_ids, attention_mask, ...settings, use_cache: false })).toEqual(rows);
      // A batch's longest text says by which factors all its rows are turned.
      if (one.config.rope_scaling !== null && one.config.model_type === 'phi3') return;
      for (const [i, row] of rows.entries()) {
        const prompt = (input_ids[i] as number[]).filter((_, t) => attention_mask[i]?.[t]);
        const [single = []] = await model.generate({ input_ids: [prompt], ...settings });
        const found = row.slice(6 - prompt.length);
        // Rows that end early are filled up to the longest.
        expect(found).toEqual([...single, ...Array.from({ length: found.length - single.length }, () => 0)]);
      }
    },
  );

  test('of a long text the last tokens are those without a cache', async () => {
    // Steps that come often become a graph where the engine makes graphs, so this needs some.
    const { input_ids, attention_mask } = left as unknown as { input_ids: number[][]; attention_mask: number[][] };
    const settings = { input_ids, attention_mask, max_new_tokens: 20, eos_token_id: null };
    const before = tf.memory().numTensors;
    const rows = await model.generate(settings);
    expect(await model.generate(settings)).toEqual(rows);
    expect(await model.generate({ ...settings, use_cache: false })).toEqual(rows);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('gives the same logits from a cache, position by position', () => {
    tf.tidy(() => {
      const input_ids = right.input_ids as number[][];
      const whole = logits({ input_ids }).arraySync();
      let past: TextBatch['past_key_values'];
      for (let t = 0; t < 6; t++) {
        const step = { input_ids: input_ids.map((row) => row.slice(t, t + 1)), use_cache: true };
        const output = model.forward(past ? { ...step, past_key_values: past } : step);
        past = output.past_key_values;
        const expected = whole.flatMap((row) => row[t] as number[]);
        expect(distance(output.logits, expected)).toBeLessThan(2e-5);
      }
    });
  });

  test.each(['right', 'left'])('has the same loss while training, with padding on the %s', (side) => {
    const { input_ids, attention_mask } = side === 'right' ? right : left;
    const labels = (input_ids as number[][]).map((row, i) => row.map((id, t) => ((attention_mask as number[][])[i]?.[t] ? id : -100)));
    const batch = { input_ids, attention_mask, labels };
    const loss = () => tf.tidy(() => (model.forward(batch).loss as tf.Scalar).dataSync()[0] as number);
    const expected = loss();
    setTraining(model, true);
    expect(Math.abs(loss() / expected - 1)).toBeLessThan(1e-5);
    setTraining(model, false);
  });

  test('takes embedded inputs', () => {
    tf.tidy(() => {
      const { input_ids, attention_mask } = right;
      const table = model.inputEmbeddings() as unknown as { forward(ids: tf.Tensor1D): tf.Tensor2D };
      const rows = input_ids as number[][];
      const inputs_embeds = tf.reshape(table.forward(tf.tensor1d(rows.flat(), 'int32')), [3, 6, -1]) as tf.Tensor3D;
      expect(distance(logits({ inputs_embeds, attention_mask }), Array.from(logits({ input_ids, attention_mask }).dataSync()))).toBe(0);
    });
  });

  test('is read back as it was saved', async () => {
    const sink = memorySink();
    await model.savePretrained(sink);
    const again = await autos.AutoModelForCausalLM.fromPretrained(sink.files);
    tf.tidy(() => {
      const expected = Array.from(logits(right).dataSync());
      expect(distance(again.forward({ ...right, return_logits: true }).logits, expected)).toBe(0);
    });
    disposeModule(again);
  });

  // Finite differences stumble over relu's corner.
  test.skipIf(one.config.activation_function === 'relu')('has the gradients of finite differences', () => {
    const first = [...namedParameters(model)]
      .filter(([name]) => /\.0\..*(norm|_proj\.bias|dense.*\.bias)/.test(name))
      .map(([, parameter]) => parameter);
    checkGradients(() => model.forward(right).loss as tf.Scalar, first.slice(0, 2), { epsilon: 0.01, tolerance: 1e-2 });
  });
});
