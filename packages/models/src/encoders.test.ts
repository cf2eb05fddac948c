import {
  disposeModule,
  initialize,
  type KeyValues,
  manualSeed,
  memory,
  memorySink,
  namedParameters,
  parameters,
  setTraining,
  setWarningHandler,
  type TextBatch,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkGradients } from '../../testing/src/gradcheck';
import { useTestedEngine } from '../../testing/src/useTestedEngine';
import type { AutoClass } from './auto';
import * as autos from './auto';
import { fixturePath, readFixture } from './fixtures/fixtures';
import type { LoadModelOptions } from './load';
import { logarithmicBucket } from './shared/distances';
import type { TextModel } from './shared/TextModel';

interface Expected {
  outputs: {
    model: string;
    head: string;
    what: string;
    batch: Omit<TextBatch, 'inputs_embeds'> & { inputs_embeds?: number[][][] };
    problem_type: LoadModelOptions['problem_type'] | null;
    expected: Record<string, number[]>;
  }[];
  buckets: { buckets: number; largest: number; expected: number[] }[];
}

const { outputs, buckets } = await readFixture<Expected>('encoders/expected.json');
const auto = (head: string) => (autos as unknown as Record<string, AutoClass<TextModel>>)[head] as AutoClass<TextModel>;
const load = (name: string, head = 'AutoModel', options: LoadModelOptions = {}) =>
  auto(head).fromPretrained(fixturePath(`encoders/${name}`), options);
const HEADS = ['SequenceClassification', 'TokenClassification', 'QuestionAnswering'];

let warnings: string[];
let previous: ReturnType<typeof setWarningHandler>;

beforeAll(useTestedEngine);
beforeEach(() => {
  warnings = [];
  previous = setWarningHandler((message) => void warnings.push(message));
  manualSeed(7);
});
afterEach(() => void setWarningHandler(previous));

/** The largest distance of two tensors' values, relative to the largest expected. */
function distance(actual: tf.Tensor | undefined, expected: ArrayLike<number>): number {
  const values = actual?.dataSync() ?? [];
  expect(values).toHaveLength(expected.length);
  const largest = Math.max(...Array.from(expected, Math.abs)) || 1;
  return Math.max(...Array.from(expected, (value, i) => Math.abs(value - (values[i] as number)))) / largest;
}

const ids = [
  [5, 9, 17, 3, 30],
  [7, 31, 12, 1, 1],
];
const mask = [
  [1, 1, 1, 1, 1],
  [1, 1, 1, 0, 0],
];
const labels: Record<string, TextBatch> = {
  SequenceClassification: { labels: [2, 0] },
  TokenClassification: {
    labels: [
      [2, 0, 1, -100, 0],
      [0, 1, 2, -100, -100],
    ],
  },
  QuestionAnswering: { start_positions: [1, 0], end_positions: [4, 2] },
};

describe('computes what Python computes', () => {
  it.each(outputs.map((one) => [`${one.model}: ${one.what}`, one] as const))(
    '%s',
    async (_, { model: name, head, batch, problem_type, expected }) => {
      const before = tf.memory().numTensors;
      const model = await load(name, head, problem_type ? { problem_type } : {});
      expect(warnings).toEqual([]);
      const output = tf.tidy(() => {
        const { inputs_embeds, ...rest } = batch;
        return model.forward({ ...rest, ...(inputs_embeds && { inputs_embeds: tf.tensor3d(inputs_embeds) }) }) as Record<string, tf.Tensor>;
      });
      for (const [part, values] of Object.entries(expected)) expect(distance(output[part], values), part).toBeLessThan(2e-5);
      tf.dispose(output);
      disposeModule(model);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  it.each(buckets)('distances in $buckets buckets up to $largest', ({ buckets: count, largest, expected }) => {
    const ours = expected.map((_, distance) => (count > 0 ? logarithmicBucket(distance, count, largest) : distance));
    expect(ours).toEqual(expected);
    expect(expected.map((_, distance) => -logarithmicBucket(-distance, count, largest))).toEqual(
      expected.map((_, distance) => logarithmicBucket(distance, count, largest)),
    );
  });
});

describe('gradients are those of finite differences', () => {
  const every = [
    ['roberta-SequenceClassification', /token_type|layer\.1\.attention\.self\.query\.bias|classifier\.out_proj/],
    ['distilbert-SequenceClassification', /embeddings\.LayerNorm|layer\.1\.attention\.v_lin\.bias|pre_classifier\.bias/],
    ['distilbert-QuestionAnswering', /layer\.0\.(ffn\.lin2\.bias|sa_layer_norm)|qa_outputs/],
    [
      'deberta-v2-SequenceClassification',
      /rel_embeddings|encoder\.LayerNorm|conv\.conv\.bias|layer\.0\.attention\.self\.(query|key)_proj\.bias/,
    ],
    ['deberta-v2-own-keys-Body', /rel_embeddings|token_type|layer\.0\.attention\.self\.pos_query_proj\.bias/],
    ['deberta-v2-one-way-Body', /layer\.1\.attention\.self\.pos_query_proj\.bias|layer\.0\.attention\.self\.key_proj\.bias/],
  ] as const;

  it.each(every)('%s', async (name, chosen) => {
    const head = HEADS.find((one) => name.endsWith(one));
    const model = await load(name, head ? `AutoModelFor${head}` : 'AutoModel');
    for (const parameter of parameters(model)) parameter.trainable = false;
    const some = [...namedParameters(model)].filter(([key]) => chosen.test(key)).map(([, parameter]) => parameter);
    expect(some.length).toBeGreaterThanOrEqual(2);
    for (const parameter of some) parameter.trainable = true;
    const batch = { input_ids: ids, attention_mask: mask, ...(head && labels[head]) };
    const value = () => {
      const output = model.forward(batch);
      return (output.loss ?? output.last_hidden_state) as tf.Tensor;
    };
    tf.tidy(value);
    const held = tf.memory().numTensors;
    checkGradients(value, some, { epsilon: 0.01, tolerance: 1e-2 });
    expect(tf.memory().numTensors).toBe(held);
    disposeModule(model);
  });
});

describe.each(['roberta', 'distilbert', 'deberta-v2'])('%s', (type) => {
  it.each(HEADS)('%s is written and read again as it is', async (head) => {
    const model = await load(`${type}-${head}`, `AutoModelFor${head}`);
    const sink = memorySink();
    await model.savePretrained(sink);
    const again = await auto(`AutoModelFor${head}`).fromPretrained(memory(sink.files));
    expect(again.config).toMatchObject({ ...model.config });
    const batch = { input_ids: ids, attention_mask: mask, ...labels[head] };
    const [a, b] = [model, again].map((one) => tf.tidy(() => (one.forward(batch).loss as tf.Scalar).dataSync()[0]));
    expect(b).toBe(a);
    expect(warnings).toEqual([]);
    [model, again].forEach(disposeModule);
  });

  it.each(HEADS)('a body without its head makes a model with one, %s, and says what is new', async (head) => {
    const body = await load(`${type}-Body`);
    const sink = memorySink();
    await body.savePretrained(sink);
    warnings = [];
    const options =
      head === 'QuestionAnswering' ? {} : { id2label: { 0: 'a', 1: 'b', 2: 'c', 3: 'd' }, label2id: { a: 0, b: 1, c: 2, d: 3 } };
    const model = await auto(`AutoModelFor${head}`).fromPretrained(memory(sink.files), options);
    const own = [...namedParameters(model)].map(([name]) => name).filter((name) => !/^(roberta|distilbert|deberta)\./.test(name));
    expect(own.length).toBeGreaterThan(0);
    const [reported, ...more] = warnings.filter((message) => message.includes('initialised anew'));
    expect(more).toEqual([]);
    for (const name of own) expect(reported).toContain(name);
    expect(model.config).toMatchObject(options);
    tf.tidy(() => {
      const output = model.forward({ input_ids: ids, attention_mask: mask });
      if (head !== 'QuestionAnswering') expect(output.logits?.shape.at(-1)).toBe(4);
      const [a, b] = [body, model].map((one) => one.inputEmbeddings() as unknown as { weight: { value: tf.Tensor } });
      expect(a?.weight.value.dataSync()).toEqual(b?.weight.value.dataSync());
    });
    [body, model].forEach(disposeModule);
  });

  it('takes a head of another size anew where that is asked for', async () => {
    const name = `${type}-SequenceClassification`;
    await expect(load(name, 'AutoModelForSequenceClassification', { num_labels: 5 })).rejects.toThrow('ignore_mismatched_sizes');
    const model = await load(name, 'AutoModelForSequenceClassification', { num_labels: 5, ignore_mismatched_sizes: true });
    const head = type === 'roberta' ? 'classifier.out_proj' : 'classifier';
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`${head}.weight has shape [3,16], the model needs [5,16]; ${head}.bias has shape [3]`);
    expect(Object.keys(model.config.id2label as object)).toHaveLength(5);
    tf.tidy(() => {
      expect(model.forward({ input_ids: ids }).logits?.shape).toEqual([2, 5]);
    });
    disposeModule(model);
  });

  it('regression is to one value a text', async () => {
    const options = { num_labels: 1, ignore_mismatched_sizes: true };
    const model = await load(`${type}-SequenceClassification`, 'AutoModelForSequenceClassification', options);
    tf.tidy(() => {
      const { loss, logits } = model.forward({ input_ids: ids, attention_mask: mask, labels: [0.5, -1.25] });
      const [a, b] = (logits as tf.Tensor).dataSync();
      expect((loss as tf.Scalar).dataSync()[0]).toBeCloseTo((((a as number) - 0.5) ** 2 + ((b as number) + 1.25) ** 2) / 2, 5);
    });
    disposeModule(model);
  });

  it('embedded inputs give what their tokens give', async () => {
    const model = await load(`${type}-Body`);
    tf.tidy(() => {
      const input = [ids[0] as number[]];
      const vectors = (model.inputEmbeddings() as unknown as { forward(x: tf.Tensor1D): tf.Tensor }).forward(
        tf.tensor1d(input[0] as number[], 'int32'),
      );
      const embedded = model.forward({ inputs_embeds: tf.reshape(vectors, [1, 5, -1]) as tf.Tensor3D });
      expect(distance(embedded.last_hidden_state, model.forward({ input_ids: input }).last_hidden_state?.dataSync() as Float32Array)).toBe(
        0,
      );
    });
    disposeModule(model);
  });

  it('drops out while training, and keeps no tensors over steps', async () => {
    const model = await load(`${type}-SequenceClassification`, 'AutoModelForSequenceClassification');
    setTraining(model, true);
    const batch = { input_ids: ids, attention_mask: mask, labels: [2, 0] };
    const step = () => {
      const { value, grads } = tf.variableGrads(() => model.forward(batch).loss as tf.Scalar);
      const loss = value.dataSync()[0];
      tf.dispose([value, grads]);
      return loss;
    };
    step();
    const held = tf.memory().numTensors;
    const losses = [step(), step(), step()];
    expect(tf.memory().numTensors).toBe(held);
    expect(new Set(losses).size).toBe(3);
    disposeModule(model);
  });

  it('says which input is too long', async () => {
    const model = await auto('AutoModel').fromConfig({ ...(await load(`${type}-Body`)).config, position_biased_input: true });
    initialize(model);
    expect(() => model.forward({ input_ids: [Array(25).fill(4)] })).toThrow('there is no position 24 in this model: it knows 24');
    disposeModule(model);
  });
});

describe.each(['roberta', 'distilbert'])('%s with keys and values that come from no token', (type) => {
  const [layers, heads, virtual, size] = [2, 4, 3, 4];
  const past = (): KeyValues =>
    Array.from({ length: layers }, () => ({
      key: tf.randomNormal([2, heads, virtual, size], 0, 1, 'float32', 3) as tf.Tensor4D,
      value: tf.randomNormal([2, heads, virtual, size], 0, 1, 'float32', 4) as tf.Tensor4D,
    }));

  it('gives the same as without them where they are hidden and positions are the same', async () => {
    const model = await load(`${type}-Body`);
    tf.tidy(() => {
      const first = type === 'roberta' ? 2 : 0;
      const position_ids = ids.map((row) => row.map((_, t) => first + t));
      const plain = model.forward({ input_ids: ids, attention_mask: mask, position_ids });
      const extended = (seen: number) => mask.map((row) => [...Array(virtual).fill(seen), ...row]);
      const hidden = model.forward({ input_ids: ids, attention_mask: extended(0), position_ids, past_key_values: past() });
      const seen = model.forward({ input_ids: ids, attention_mask: extended(1), position_ids, past_key_values: past() });
      const expected = plain.last_hidden_state?.dataSync() as Float32Array;
      expect(distance(hidden.last_hidden_state, expected)).toBeLessThan(1e-6);
      expect(distance(seen.last_hidden_state, expected)).toBeGreaterThan(1e-2);
    });
    disposeModule(model);
  });

  it('counts positions on from them', async () => {
    const model = await load(`${type}-Body`);
    tf.tidy(() => {
      const shifted = ids.map((row) =>
        row.map((id, t) => (type === 'roberta' && id === 1 ? 1 : virtual + (type === 'roberta' ? 2 : 0) + t)),
      );
      const attention_mask = mask.map((row) => [1, 1, 1, ...row]);
      const given = model.forward({ input_ids: ids, attention_mask, position_ids: shifted, past_key_values: past() });
      const counted = model.forward({ input_ids: ids, attention_mask, past_key_values: past() });
      expect(distance(counted.last_hidden_state, given.last_hidden_state?.dataSync() as Float32Array)).toBe(0);
    });
    disposeModule(model);
  });
});

describe('labels', () => {
  const config = { model_type: 'distilbert', dim: 4, n_heads: 2, hidden_dim: 4, n_layers: 1, vocab_size: 9, id2label: { 0: 'x' } };
  const labelled = async (overrides: object) => {
    const { config: whole, classifier } = (await auto('AutoModelForSequenceClassification').fromConfig(
      config,
      overrides as never,
    )) as TextModel & {
      classifier: { outFeatures: number };
    };
    return [classifier.outFeatures, whole.id2label, whole.label2id];
  };

  it.each([
    [{}, 1, { 0: 'x' }, undefined],
    [{ num_labels: 2 }, 2, { 0: 'LABEL_0', 1: 'LABEL_1' }, { LABEL_0: 0, LABEL_1: 1 }],
    [{ id2label: { 0: 'no', 1: 'yes' } }, 2, { 0: 'no', 1: 'yes' }, { no: 0, yes: 1 }],
    [{ label2id: { no: 0, yes: 1 } }, 2, { 0: 'no', 1: 'yes' }, { no: 0, yes: 1 }],
    [{ num_labels: 2, label2id: { no: 0, yes: 1 } }, 2, { 0: 'no', 1: 'yes' }, { no: 0, yes: 1 }],
  ])('%o', async (overrides, ...expected) => {
    expect(await labelled(overrides)).toEqual(expected);
  });

  it('of another number than is asked for are refused', async () => {
    await expect(labelled({ num_labels: 3, id2label: { 0: 'no', 1: 'yes' } })).rejects.toThrow('num_labels is 3, but 2 labels have names');
  });
});

describe('what is refused says why', () => {
  it('keys that come from no token, in DeBERTa', async () => {
    const model = await load('deberta-v2-Body');
    const one = tf.zeros([1, 4, 2, 4]) as tf.Tensor4D;
    const past_key_values = [{ key: one, value: one }];
    expect(() => model.forward({ input_ids: [[4]], past_key_values })).toThrow('takes no past_key_values');
    disposeModule(model);
  });

  it('token types that a model does not have', async () => {
    const batch = { input_ids: [[4, 5]], token_type_ids: [[0, 1]] };
    const refuses = async (name: string, message: string) => {
      const model = await load(name);
      expect(() => model.forward(batch)).toThrow(message);
      disposeModule(model);
    };
    await refuses('xlm-roberta-Body', 'token_type_ids holds 1, and this model has 1 token types');
    await refuses('distilbert-Body', 'DistilBERT has no token types');
  });

  it.each([
    [{ model_type: 'roberta', pad_token_id: null }, 'pad_token_id must be a number'],
    [{ model_type: 'roberta', position_embedding_type: 'relative_key' }, 'position_embedding_type "relative_key" is not known'],
    [{ model_type: 'distilbert', dim: 30, n_heads: 4 }, 'dim 30 is no multiple of 4 heads'],
    [{ model_type: 'distilbert', hidden_dim: 0 }, 'hidden_dim must be a whole number'],
    [{ model_type: 'deberta-v2', conv_kernel_size: 2 }, 'conv_kernel_size 2 is even'],
    [{ model_type: 'deberta-v2', type_vocab_size: -1 }, 'type_vocab_size must be a whole number from 0'],
  ])('%o', async (config, message) => {
    await expect(auto('AutoModel').fromConfig(config)).rejects.toThrow(message);
  });
});

it('fills in what a config leaves out, and names classes as Python does', async () => {
  const named = async (config: Record<string, unknown>, head = 'AutoModelForTokenClassification') => {
    const model = await auto(head).fromConfig(config);
    return [model.auto_mapping.base_model_class, parameters(model).reduce((total, { size }) => total + size, 0)];
  };
  // Counts of transformers 4.57 for configs that say nothing but the kind of model.
  expect(await named({ model_type: 'roberta' })).toEqual(['RobertaForTokenClassification', 124055810]);
  expect(await named({ model_type: 'xlm-roberta' })).toEqual(['XLMRobertaForTokenClassification', 108893186]);
  expect(await named({ model_type: 'distilbert' })).toEqual(['DistilBertForTokenClassification', 66364418]);
  expect(await named({ model_type: 'deberta-v2' })).toEqual(['DebertaV2ForTokenClassification', 877510658]);
});

it('gives DistilBERT sinusoids for positions where its config asks for them', async () => {
  const config = { model_type: 'distilbert', dim: 4, n_heads: 2, hidden_dim: 4, n_layers: 1, vocab_size: 9, sinusoidal_pos_embds: true };
  const model = await auto('AutoModel').fromConfig(config);
  initialize(model);
  const [, table] = [...namedParameters(model)].find(([name]) => name.endsWith('position_embeddings.weight')) as [
    string,
    { value: tf.Tensor },
  ];
  const row = Array.from(table.value.dataSync()).slice(12, 16); // position 3
  [Math.sin(3), Math.cos(3), Math.sin(0.03), Math.cos(0.03)].forEach((value, i) => expect(row[i]).toBeCloseTo(value, 6));
  disposeModule(model);
});
