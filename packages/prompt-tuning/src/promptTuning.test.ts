import '@tensorflow/tfjs-backend-wasm';
import {
  type EmbeddingLayer,
  embedTokens,
  getPeftModel,
  kind,
  Module,
  makeConfig,
  memory,
  memorySink,
  PeftModel,
  readJson,
  replaceModule,
  resolveSoftPrompt,
  type SoftPromptBase,
  scale,
  setWarningHandler,
  type Tokenizer,
} from '@peft/core';
import { adamW } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type PromptTuningConfig, promptTuning, promptTuningConfig } from './index';
import { type Case, cases, createModel, createShapes } from './models.testing';

const warnings: string[] = [];

beforeAll(async () => {
  await tf.setBackend('wasm');
  setWarningHandler((message) => warnings.push(message));
});
beforeEach(() => void warnings.splice(0));
afterAll(() => void setWarningHandler(undefined));

const named = (name: Case['name']) => cases.find((one) => one.name === name) as Case;
const [llama, t5, bert] = [named('Llama'), named('T5'), named('BERT for classes')];
const config = (options: Partial<PromptTuningConfig> = {}) =>
  promptTuningConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 3, ...options });
const adapted = async (one = llama, options: Partial<PromptTuningConfig> = {}, extra: { tokenizer?: Tokenizer } = {}) =>
  getPeftModel((await createModel(one)) as never, config({ task_type: one.task_type, ...options }), extra);
type Adapted = Awaited<ReturnType<typeof adapted>>;
const forward = (model: Adapted, batch: object) =>
  (model as unknown as { forward(batch: object): Record<string, tf.Tensor> }).forward(batch);
const logits = (model: Adapted, batch: object) => tf.tidy(() => forward(model, { ...batch, return_logits: true }).logits?.arraySync());
const saved = async (model: Adapted) => {
  const sink = memorySink();
  await model.savePretrained(sink);
  return sink.files;
};
const rows = (model: Adapted) => model.adapter().embedding.value.arraySync() as number[][];

describe('the config', () => {
  it.each<[string, Partial<PromptTuningConfig>]>([
    ['num_virtual_tokens must be given', { num_virtual_tokens: null as never }],
    ['num_virtual_tokens must be a whole number above 0', { num_virtual_tokens: 0 }],
    ['task_type must be given', { task_type: null }],
    ['task_type must be one of SEQ_CLS', { task_type: 'CHAT' as never }],
    ['prompt_tuning_init must be one of "RANDOM"', { prompt_tuning_init: 'ZEROS' as never }],
    ["'TEXT' needs tokenizer_name_or_path", { prompt_tuning_init: 'TEXT', prompt_tuning_init_text: 'a' }],
    ["'TEXT' needs prompt_tuning_init_text", { prompt_tuning_init: 'TEXT', tokenizer_name_or_path: 'a' }],
    ["tokenizer_kwargs is for prompt_tuning_init 'TEXT'", { tokenizer_kwargs: { use_fast: true } }],
  ])('is refused: %s', (words, options) => {
    expect(() => config(options)).toThrow(words);
  });

  it('may come from a file without what must be given; it cannot be used then', async () => {
    const bare = makeConfig(promptTuning, { peft_type: 'PROMPT_TUNING' }, { fromFile: true });
    const base = await createModel(llama);
    expect(() => getPeftModel(base as never, bare)).toThrow(/num_virtual_tokens must be given.*task_type must be given/);
  });

  it('takes its sizes from the model, under whatever names', () => {
    const sizes = (model: object, options: Partial<PromptTuningConfig> = {}) => {
      const base = { config: { model_type: 'x', ...model }, inputEmbeddings: () => null } as unknown as SoftPromptBase;
      const { num_layers, token_dim, num_attention_heads, num_transformer_submodules } = resolveSoftPrompt(config(options), base);
      return [num_layers, token_dim, num_attention_heads, num_transformer_submodules];
    };
    expect(sizes({ num_hidden_layers: 5, num_layers: 9, hidden_size: 16, d_model: 8, num_attention_heads: 4 })).toEqual([5, 16, 4, 1]);
    expect(sizes({ n_layer: 5, n_embd: 16, n_head: 4 })).toEqual([5, 16, 4, 1]);
    expect(sizes({ num_layers: 5, d_model: 16, num_heads: 4 }, { task_type: 'SEQ_2_SEQ_LM' })).toEqual([5, 16, 4, 2]);
    expect(sizes({ n_layers: 5, dim: 16, n_heads: 4 })).toEqual([5, 16, 4, 1]);
    expect(sizes({ num_layers: 5, d_model: 16, encoder_attention_heads: 4 })).toEqual([5, 16, 4, 1]);
    expect(sizes({ text_config: { num_layers: 5, d_model: 16, num_heads: 4 }, hidden_size: 3 })).toEqual([5, 16, 4, 1]);
    expect(sizes({}, { num_layers: 1, token_dim: 2, num_attention_heads: 3, num_transformer_submodules: 4 })).toEqual([1, 2, 3, 4]);
    expect(() => sizes({ num_layers: 5, num_heads: 4 })).toThrow(
      'does not say token_dim (looked for word_embed_proj_dim, hidden_size, n_embd, d_model, dim)',
    );
  });

  it('is refused on a model of another width or without embeddings', async () => {
    const model = await adapted(llama, { token_dim: 8 });
    expect(() => forward(model, { input_ids: [[5]] })).toThrow('learned tokens are 8 wide');
    expect(() => getPeftModel({ config: { model_type: 'x' } } as never, config())).toThrow();
  });
});

describe('learned tokens start', () => {
  const table = (model: Adapted, ids: number[]) =>
    tf.tidy(() => embedTokens(model.getBaseModel() as unknown as SoftPromptBase, ids).arraySync());
  const tokenizer = (ids: number[]) => ({ encode: () => ids }) as unknown as Tokenizer;
  const text = { prompt_tuning_init: 'TEXT', prompt_tuning_init_text: 'a text', tokenizer_name_or_path: 'a/name' } as const;

  it('from N(0, 1)', async () => {
    const values = rows(await adapted(llama, { num_virtual_tokens: 200 })).flat();
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.06);
    expect(Math.abs(variance - 1)).toBeLessThan(0.1);
  });

  it('as tokens drawn from the vocabulary', async () => {
    const model = await adapted(llama, { num_virtual_tokens: 40, prompt_tuning_init: 'SAMPLE_VOCAB' });
    const vocabulary = table(
      model,
      Array.from({ length: 61 }, (_, id) => id),
    ).map((row) => row.join());
    const drawn = rows(model).map((row) => vocabulary.indexOf(row.join()));
    expect(drawn).not.toContain(-1);
    expect(new Set(drawn).size).toBeGreaterThan(15);
  });

  it.each([
    ['repeated', [7, 8], [7, 8, 7]],
    ['cut off', [7, 8, 9, 10], [7, 8, 9]],
  ])('as a text, %s to their number', async (_, ids, expected) => {
    const model = await adapted(llama, text, { tokenizer: tokenizer(ids) });
    expect(rows(model)).toEqual(table(model, expected));
    expect(table(model, [7])).not.toEqual(table(model, [8]));
  });

  it('as a text in both halves of an encoder–decoder model', async () => {
    const model = await adapted(t5, { ...text, num_virtual_tokens: 2 }, { tokenizer: tokenizer([7, 8, 9]) });
    expect(rows(model)).toEqual(table(model, [7, 8, 9, 7]));
  });

  it('as a text, which takes a tokenizer; loading takes none', async () => {
    await expect(adapted(llama, text)).rejects.toThrow('getPeftModel(model, config, { tokenizer })');
    await expect(adapted(llama, text, { tokenizer: tokenizer([]) })).rejects.toThrow('has no tokens');
    await expect(adapted(llama, text, { tokenizer: tokenizer([61]) })).rejects.toThrow('token 61 is not one of this model');
    const files = await saved(await adapted(llama, text, { tokenizer: tokenizer([7]) }));
    const loaded = await PeftModel.fromPretrained((await createModel(llama)) as never, memory(files), { tuners: [promptTuning] });
    expect(loaded.peftConfig.default).toMatchObject(text);
  });

  it('without values on a model of shapes', async () => {
    const shapes = getPeftModel((await createShapes(llama)) as never, config(text), { tokenizer: tokenizer([7]) });
    expect(shapes.getNbTrainableParameters()[0]).toBe(48);
  });
});

describe('a batch', () => {
  const [ids, mask] = [
    [
      [5, 9, 31],
      [7, 3, 0],
    ],
    [
      [1, 1, 1],
      [1, 1, 0],
    ],
  ];

  it('may be embedded, or be tensors', async () => {
    const model = await adapted();
    const own = logits(model, { input_ids: ids, attention_mask: mask });
    const embeds = tf.tidy(() => tf.reshape(embedTokens(model.getBaseModel() as unknown as SoftPromptBase, ids.flat()), [2, 3, 16]));
    expect(logits(model, { inputs_embeds: embeds, attention_mask: tf.tensor2d(mask, [2, 3], 'int32') })).toEqual(own);
    expect(logits(model, { input_ids: tf.tensor2d(ids, [2, 3], 'int32'), attention_mask: mask })).toEqual(own);
  });

  it.each<[string, object]>([
    ['either input_ids or inputs_embeds', {}],
    [
      'attention_mask is [2, 2], the input [2, 3]',
      {
        input_ids: ids,
        attention_mask: [
          [1, 1],
          [1, 1],
        ],
      },
    ],
    [
      'labels has 2 columns in row 0, the input has 3',
      {
        input_ids: ids,
        labels: [
          [1, 1],
          [1, 1],
        ],
      },
    ],
    ['token 61', { input_ids: [[61]] }],
  ])('is refused: %s', async (words, batch) => {
    const model = await adapted();
    expect(() => forward(model, batch)).toThrow(words);
  });

  it('loses token types and positions where Python drops them, with one warning each', async () => {
    const model = await adapted();
    const own = logits(model, { input_ids: ids });
    const more = {
      input_ids: ids,
      token_type_ids: [
        [0, 1, 1],
        [0, 1, 1],
      ],
      position_ids: [
        [4, 5, 6],
        [4, 5, 6],
      ],
    };
    expect([logits(model, more), logits(model, more)]).toEqual([own, own]);
    expect(warnings).toHaveLength(2);
    expect(warnings.join()).toMatch(
      /token_type_ids are ignored.*position_ids are ignored|position_ids are ignored.*token_type_ids are ignored/,
    );
  });

  it('keeps token types where the task has them', async () => {
    const model = await adapted(bert);
    const types = [
      [0, 1, 1],
      [1, 1, 0],
    ];
    expect(logits(model, { input_ids: ids, token_type_ids: types })).not.toEqual(logits(model, { input_ids: ids }));
    expect(warnings).toEqual([]);
  });

  it('is looked up in the embedding as it is now', async () => {
    class Doubled extends Module implements EmbeddingLayer {
      static override readonly [kind] = 'Doubled';
      readonly inner: EmbeddingLayer;
      constructor(inner: EmbeddingLayer) {
        super();
        this.inner = inner;
      }
      forward(ids: tf.Tensor1D): tf.Tensor2D {
        return scale(this.inner.forward(ids), 2);
      }
    }
    const model = await adapted();
    const base = model.getBaseModel() as unknown as SoftPromptBase;
    const before = logits(model, { input_ids: ids });
    replaceModule(base, 'model.embed_tokens', new Doubled(base.inputEmbeddings() as EmbeddingLayer));
    const doubled = tf.tidy(() => tf.reshape(embedTokens(base, ids.flat()), [2, 3, 16]));
    expect(logits(model, { input_ids: ids })).toEqual(logits(model, { inputs_embeds: doubled }));
    expect(logits(model, { input_ids: ids })).not.toEqual(before);
  });
});

describe("Python PEFT's defects", () => {
  it('2, mirrored: the second half for encoder–decoder models is saved and never used', async () => {
    const model = await adapted(t5);
    expect(rows(model)).toHaveLength(6);
    const optimizer = adamW(model);
    optimizer.backward(() => forward(model, t5.batch).loss as tf.Scalar);
    const gradient = optimizer.gradients['prompt_encoder.embedding.weight']?.arraySync() as number[][];
    const sizes = gradient.map((row) => Math.hypot(...row));
    expect(sizes.map((size) => size > 0)).toEqual([true, true, true, false, false, false]);
    optimizer.dispose();
  });

  it('18, fixed: a prompt loaded for use is not trained', async () => {
    const files = await saved(await adapted());
    const loaded = await PeftModel.fromPretrained((await createModel(llama)) as never, memory(files), { tuners: [promptTuning] });
    expect(loaded.getNbTrainableParameters()[0]).toBe(0);
    expect((loaded as unknown as Adapted).adapter().embedding.trainable).toBe(false);
  });

  it('19, fixed: what a task trains as a whole is named once, also where a file names it twice', async () => {
    const files = await saved(await adapted(bert));
    const name = 'adapter_config.json';
    expect(await readJson(memory(files), name)).toMatchObject({ modules_to_save: ['classifier', 'score'] });
    const twice = new TextDecoder().decode(files[name]).replace('"score"', '"score", "classifier", "score"');
    const source = memory({ ...files, [name]: new TextEncoder().encode(twice) });
    const loaded = await PeftModel.fromPretrained((await createModel(bert)) as never, source, { tuners: [promptTuning] });
    expect(await readJson(memory(await saved(loaded as unknown as Adapted)), name)).toMatchObject({
      modules_to_save: ['classifier', 'score'],
    });
  });

  it('labels of tokens, fixed: the loss is that of the text alone, behind the prompt', async () => {
    const tokens = named('BERT for tokens');
    const model = await adapted(tokens);
    const loss = (labels: number[][]) => tf.tidy(() => forward(model, { ...tokens.batch, labels }).loss?.arraySync() as number);
    const first = (tokens.batch as unknown as { labels: number[][] }).labels;
    expect(loss(first)).toBeGreaterThan(0);
    expect(loss(first.map((row) => row.map((label) => (label < 0 ? label : (label + 1) % 3))))).not.toBe(loss(first));
  });
});

describe('several prompts', () => {
  it('take turns, or stand one behind the other', async () => {
    const model = await adapted();
    model.addAdapter('second', config({ num_virtual_tokens: 2 }));
    const batch = { input_ids: [[5, 9]], attention_mask: [[1, 1]] };
    const length = () => (logits(model, batch) as number[][][])[0]?.length;
    expect(length()).toBe(5);
    model.setAdapter('second');
    expect(length()).toBe(4);
    model.setAdapter(['default', 'second']);
    const both = logits(model, batch);
    const base = model.getBaseModel() as unknown as SoftPromptBase;
    const inputs_embeds = tf.tidy(() =>
      tf.expandDims<tf.Tensor3D>(
        tf.concat(
          [model.adapter('default').embedding.value, model.adapter('second').embedding.value, embedTokens(base, [5, 9])] as tf.Tensor2D[],
          0,
        ),
      ),
    );
    expect(both).toEqual(tf.tidy(() => base.forward({ inputs_embeds }).logits?.arraySync()));
    const generate = model.generate as unknown as (options: object) => Promise<number[][]>;
    const options = { input_ids: [[5, 9]], max_new_tokens: 5, eos_token_id: null };
    expect(await generate(options)).toEqual(await generate({ ...options, use_cache: false }));
  });
});
