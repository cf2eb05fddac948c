import '@tensorflow/tfjs-backend-wasm';
import { embedTokens, getPeftModel, memory, memorySink, PeftModel, readJson, type TextBatch } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type PromptTemplate, promptEncoderConfig, pTuning } from './index';
import { bases, createModel } from './models.testing';
import { layoutOf } from './template';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

describe('layoutOf', () => {
  const [P, Q, R, ANCHOR, SECOND] = [-1, -2, -3, -4, -5];
  const template: PromptTemplate = [{ input: 1 }, 2, 'input', { tokens: [8, 9] }, { input: 1 }, 1];
  const arrange = layoutOf(template, 3);

  it('puts everything in its place', () => {
    expect(arrange({ length: 5, promptLength: 5 })).toEqual([0, P, Q, 1, 2, 3, ANCHOR, SECOND, 4, R]);
  });
  it('leaves padding outside, on either side', () => {
    expect(arrange({ length: 5, promptLength: 5, mask: [0, 0, 1, 1, 1] })).toEqual([0, 1, 2, P, Q, 3, ANCHOR, SECOND, 4, R]);
    expect(arrange({ length: 5, promptLength: 5, mask: [1, 1, 1, 0, 0] })).toEqual([0, P, Q, 1, ANCHOR, SECOND, 2, R, 3, 4]);
  });
  it('leaves behind the prompt what follows it', () => {
    expect(arrange({ length: 5, promptLength: 3, mask: [0, 1, 1, 1, 1] })).toEqual([0, 1, P, Q, ANCHOR, SECOND, 2, R, 3, 4]);
  });
  it.each([
    [1, [0, P, Q, ANCHOR, SECOND, R]],
    [2, [0, P, Q, ANCHOR, SECOND, 1, R]],
  ])('gives a short row of %i what there is', (length, row) => {
    expect(arrange({ length, promptLength: length })).toEqual(row);
  });
  it('gives a row of padding alone all that is inserted', () => {
    expect(arrange({ length: 2, promptLength: 2, mask: [0, 0] })).toEqual([0, 1, P, Q, ANCHOR, SECOND, R]);
  });
});

const around: PromptTemplate = [{ input: 1 }, 2, 'input', { tokens: [29] }, 1];
const config = (template: PromptTemplate = around) =>
  promptEncoderConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 3, prompt_template: template });

it('computes what the model computes of the same vectors', async () => {
  const base = await createModel(bases.llama);
  const model = getPeftModel(base, config()).eval();
  const [ours, theirs] = tf.tidy(() => {
    const learned = model.adapter().prompt_encoder.forward();
    const token = (...ids: number[]) => embedTokens(base, ids);
    const prompt = (from: number, count: number) => tf.slice(learned, [from, 0], [count, 16]);
    const row = tf.concat([token(5), prompt(0, 2), token(9, 31), token(29), prompt(2, 1)], 0);
    const output = base.forward({ inputs_embeds: tf.expandDims(row) as tf.Tensor3D });
    return [model.forward({ input_ids: [[5, 9, 31]] }).logits, output.logits] as [tf.Tensor, tf.Tensor];
  });
  expect(ours.dataSync()).toEqual(theirs.dataSync());
  model.dispose();
});

it('says of a template before the input what the default says', async () => {
  const model = getPeftModel(await createModel(bases.llama), config([3, 'input'])).eval();
  const plain = getPeftModel(await createModel(bases.llama), promptEncoderConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 3 })).eval();
  for (const [name, parameter] of Object.entries(plain.trainableParameters()))
    parameter.assign(model.trainableParameters()[name]?.value as tf.Tensor);
  const logits = ({ forward }: { forward(batch: TextBatch): { logits?: tf.Tensor } }) =>
    forward({ input_ids: [[5, 9, 31]], attention_mask: [[1, 1, 0]] }).logits?.dataSync();
  expect(logits({ forward: (batch) => model.forward(batch) })).toEqual(logits({ forward: (batch) => plain.forward(batch) }));
});

it('generates for a padded row what the row alone gives, with and without a cache, and with beams', async () => {
  const model = getPeftModel(await createModel(bases.llama), config()).eval();
  const options = { max_new_tokens: 6, eos_token_id: null, pad_token_id: 0 };
  for (const num_beams of [1, 3])
    for (const use_cache of [true, false]) {
      const rows = await model.generate({
        input_ids: [
          [5, 9, 31, 7, 22],
          [0, 0, 3, 40, 12],
        ],
        attention_mask: [
          [1, 1, 1, 1, 1],
          [0, 0, 1, 1, 1],
        ],
        ...options,
        num_beams,
        use_cache,
      });
      const [alone] = await model.generate({ input_ids: [[3, 40, 12]], ...options, num_beams, use_cache });
      expect(rows[1]?.slice(5)).toEqual(alone?.slice(3));
      const logits = await greedy(model, [5, 9, 31, 7, 22], 6);
      if (num_beams === 1) expect(rows[0]).toEqual(logits);
    }
  model.dispose();
});

/** Token by token by forward passes that are told where the prompt ends. */
async function greedy(model: { forward(batch: TextBatch): { logits?: tf.Tensor } }, prompt: number[], count: number): Promise<number[]> {
  const ids = [...prompt];
  for (let i = 0; i < count; i++) {
    const last = tf.tidy(() => {
      const { logits } = model.forward({ input_ids: [ids], prompt_length: prompt.length });
      const [, length] = (logits as tf.Tensor3D).shape;
      return tf.argMax(tf.slice(logits as tf.Tensor3D, [0, length - 1, 0], [1, 1, -1]), -1);
    });
    ids.push((await last.data())[0] as number);
    last.dispose();
  }
  return ids;
}

it('stands in the file only where it is used, and comes back from it', async () => {
  const save = async (template?: PromptTemplate) => {
    const settings = { task_type: 'CAUSAL_LM', num_virtual_tokens: 3 } as const;
    const model = getPeftModel(
      await createModel(bases.llama),
      promptEncoderConfig({ ...settings, ...(template && { prompt_template: template }) }),
    ).eval();
    const sink = memorySink();
    await model.savePretrained(sink);
    return { model, files: sink.files };
  };
  expect(await readJson(memory((await save()).files), 'adapter_config.json')).not.toHaveProperty('prompt_template');
  const { model, files } = await save(around);
  const loaded = await PeftModel.fromPretrained(await createModel(bases.llama), memory(files), { tuners: [pTuning] });
  const batch = { input_ids: [[5, 9, 31]] };
  expect(loaded.forward(batch).logits?.dataSync()).toEqual(model.forward(batch).logits?.dataSync());
});

it.each<[string, PromptTemplate]>([
  ['4 learned tokens, num_virtual_tokens is 3', [4, 'input']],
  ['"input" once, it has it 0 times', [3]],
  ['"input" once, it has it 2 times', ['input', 3, 'input']],
  ['must be a list of', [3, 'input', { tokens: [-1] }]],
  ['must be a list of', [3, 'input', {} as never]],
])('refuses a template: %s', (words, template) => {
  expect(() => config(template)).toThrow(words);
});

it('refuses anchors that are no tokens of the model', async () => {
  const model = getPeftModel(await createModel(bases.llama), config([3, 'input', { tokens: [61] }]));
  expect(() => model.forward({ input_ids: [[5]] })).toThrow('token 61');
});
