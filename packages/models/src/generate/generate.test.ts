import { disposeModule } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useTestedEngine } from '../../../testing/src/useTestedEngine';
import { AutoModelForCausalLM } from '../auto';
import { fixturePath, readFixture, SOTU } from '../fixtures/fixtures';
import type { TextModel } from '../shared/TextModel';
import { AutoTokenizer } from '../tokenizer/AutoTokenizer';
import type { TextTokenizer } from '../tokenizer/TextTokenizer';
import type { GenerateOptions } from './options';

interface Case {
  model: string;
  prompts: number[][];
  mask: number[][] | null;
  options: Omit<GenerateOptions, 'input_ids'>;
  expected: number[][];
}

const cases = await readFixture<Case[]>('generation.json');
const models: Record<string, TextModel> = {};
let tokenizer: TextTokenizer;

beforeAll(async () => {
  await useTestedEngine();
  tokenizer = await AutoTokenizer.fromPretrained(SOTU);
  models.sotu = await AutoModelForCausalLM.fromPretrained(SOTU);
  for (const name of ['llama', 'mistral', 'qwen2', 'gpt2'])
    models[name] = await AutoModelForCausalLM.fromPretrained(fixturePath(`models/${name}-CausalLM`));
});
afterAll(() => Object.values(models).forEach(disposeModule));

const optionsOf = ({ prompts, mask, options }: Case): GenerateOptions => ({
  input_ids: prompts,
  ...(mask && { attention_mask: mask }),
  ...options,
  ...(options.stop_strings && { tokenizer }),
});

describe('gives the ids that Python gives', () => {
  test.each(cases.map((one, i) => [`${i}: ${one.model}, ${one.prompts.length} prompts, ${JSON.stringify(one.options)}`, one] as const))(
    '%s',
    async (_, one) => {
      const before = tf.memory().numTensors;
      expect(await (models[one.model] as TextModel).generate(optionsOf(one))).toEqual(one.expected);
      expect(tf.memory().numTensors).toBe(before);
    },
  );
});

describe('options', () => {
  const [prompt, padded] = [
    cases.find(({ prompts }) => prompts.length === 1) as Case,
    cases.find(({ prompts }) => prompts.length === 3) as Case,
  ];

  test.each([{}, { num_beams: 3 }, { do_sample: true, seed: 5, num_return_sequences: 2 }])(
    '%j: without a cache the same comes out',
    async (options) => {
      const all = { ...optionsOf(padded), ...options, max_new_tokens: 8 };
      const model = models.sotu as TextModel;
      expect(await model.generate({ ...all, use_cache: false })).toEqual(await model.generate(all));
    },
  );

  test('padding token 0 fills up beams that ended', async () => {
    const whole = cases.find(({ model, expected }) => model === 'sotu' && expected.some((ids) => ids.at(-1) === 5)) as Case;
    const filled = whole.expected.map((ids) => ids.map((id, i) => (ids.slice(i).every((later) => later === 5) ? 0 : id)));
    expect(await (models.sotu as TextModel).generate({ ...optionsOf(whole), pad_token_id: 0 })).toEqual(filled);
  });

  test('tells of each token as it comes, and of rows that have ended', async () => {
    const steps: number[][] = [];
    const ends = cases.find(
      ({ model, prompts, options }) => model === 'sotu' && prompts.length === 3 && options.eos_token_id && !options.num_beams,
    ) as Case;
    const rows = await (models.sotu as TextModel).generate({ ...optionsOf(ends), onToken: (tokens) => steps.push([...tokens]) });
    const start = (ends.prompts[0] as number[]).length;
    const pad = ends.options.pad_token_id ?? 0;
    rows.forEach((ids, row) => {
      expect(steps.map((tokens) => tokens[row]).map((token) => (token === -1 ? pad : token))).toEqual(ids.slice(start));
    });
    expect(steps.some((tokens) => tokens.includes(-1))).toBe(true);
  });

  test.each([{}, { num_beams: 3 }])('%j: ends early where it is told to', async (options) => {
    const before = tf.memory().numTensors;
    const control = new AbortController();
    let steps = 0;
    const model = models.sotu as TextModel;
    const forward: TextModel['forward'] = (batch) => {
      if (++steps === 3) control.abort();
      return model.forward(batch);
    };
    const rows = await model.generate({ ...optionsOf(prompt), ...options, max_new_tokens: 20, signal: control.signal }, forward);
    expect(rows[0]).toHaveLength((prompt.prompts[0] as number[]).length + 3);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a stopping criterion ends its row', async () => {
    const length = (padded.prompts[0] as number[]).length;
    const asked = { ...optionsOf(padded), eos_token_id: null, pad_token_id: 0, max_new_tokens: 6 };
    const model = models.sotu as TextModel;
    const free = await model.generate(asked);
    const rows = await model.generate({
      ...asked,
      stopping_criteria: (ids) => ids.length === length + 2 && ids.at(-1) === free[1]?.[length + 1],
    });
    expect(rows[1]?.slice(length)).toEqual([...(free[1] as number[]).slice(length, length + 2), 0, 0, 0, 0]);
  });

  test('an error in a forward pass leaves no tensors', async () => {
    const before = tf.memory().numTensors;
    let steps = 0;
    const model = models.sotu as TextModel;
    const forward: TextModel['forward'] = (batch) => {
      if (++steps === 3) throw new Error('no more');
      return model.forward(batch);
    };
    await expect(model.generate(optionsOf(prompt), forward)).rejects.toThrow('no more');
    expect(tf.memory().numTensors).toBe(before);
  });

  test('what cannot be is told at once', async () => {
    const wrong = {
      do_sample: true,
      temperature: 0,
      top_k: -1,
      top_p: 1.5,
      repetition_penalty: 0,
      num_beams: 2.5,
      max_new_tokens: 0,
      min_new_tokens: -1,
      stop_strings: ['x'],
    };
    const error = await (models.sotu as TextModel).generate({ input_ids: [[1, 2]], ...wrong }).catch((caught: Error) => caught.message);
    for (const name of Object.keys(wrong).filter((name) => !['do_sample', 'max_new_tokens'].includes(name))) expect(error).toContain(name);
    expect(error).toContain('at least one token');
    await expect((models.sotu as TextModel).generate({ input_ids: [[1, 2, 3]], max_length: 3 })).rejects.toThrow('the prompt has 3');
    await expect((models.sotu as TextModel).generate({ input_ids: [[1]], num_return_sequences: 2 })).rejects.toThrow('needs do_sample');
    await expect((models.sotu as TextModel).generate({ input_ids: [[1, 2]], attention_mask: [[1]] })).rejects.toThrow('attention_mask');
    await expect((models.sotu as TextModel).generate({ input_ids: [[1, 2], [1]] })).rejects.toThrow('different lengths');
    await expect((models.sotu as TextModel).generate({ input_ids: [[5000]] })).rejects.toThrow('5000');
    // Without sampling its options do not count.
    expect(await (models.sotu as TextModel).generate({ input_ids: [[54]], max_new_tokens: 1, temperature: 0 })).toHaveLength(1);
  });

  test("the model's generation_config.json counts, the caller before it", async () => {
    const model = models.gpt2 as TextModel;
    const free = await model.generate({ input_ids: [[5, 9]], max_new_tokens: 6 });
    const last = free[0]?.[4] as number;
    model.generation_config = { max_new_tokens: 6, eos_token_id: [last], repetition_penalty: null };
    expect((await model.generate({ input_ids: [[5, 9]] }))[0]).toEqual(free[0]?.slice(0, (free[0] as number[]).indexOf(last, 2) + 1));
    expect((await model.generate({ input_ids: [[5, 9]], eos_token_id: null }))[0]).toEqual(free[0]);
    model.generation_config = {};
  });
});

describe('sampling', () => {
  const ids = [5, 9, 17];
  const DRAWS = 6000;

  /** What each token's probability should be, by the definitions of the three options. */
  function expected(scores: readonly number[], { temperature = 1, top_k = 0, top_p = 1 }): number[] {
    const ranks = scores.map((score, i) => [score / temperature, i] as const).sort(([a], [b]) => b - a);
    let weights = ranks.map(([score], rank) =>
      top_k === 0 || rank < top_k ? Math.exp(score - (ranks[0] as readonly [number, number])[0]) : 0,
    );
    const sum = weights.reduce((a, b) => a + b);
    let mass = 0;
    weights = weights.map((weight) => {
      const kept = mass < top_p ? weight : 0;
      mass += weight / sum;
      return kept;
    });
    const rest = weights.reduce((a, b) => a + b);
    const result = scores.map(() => 0);
    ranks.forEach(([, i], rank) => {
      result[i] = (weights[rank] as number) / rest;
    });
    return result;
  }

  test.each([
    { top_k: 0 },
    { top_k: 5 },
    { top_k: 0, top_p: 0.8 },
    { top_k: 6, top_p: 0.9, temperature: 0.7 },
    { top_k: 0, temperature: 2.5 },
    { top_k: 0, top_p: 0.01 },
  ])('%j: tokens come as often as they should', async (options) => {
    const model = models.gpt2 as TextModel;
    const scores = tf.tidy(() => Array.from((model.forward({ input_ids: [ids], logits_to_keep: 1 }).logits as tf.Tensor).dataSync()));
    const rows = await model.generate({
      input_ids: [ids],
      do_sample: true,
      max_new_tokens: 1,
      num_return_sequences: DRAWS,
      seed: 11,
      ...options,
    });
    const counts = scores.map(() => 0);
    for (const row of rows) counts[row[3] as number]!++;
    expected(scores, options).forEach((probability, token) => {
      if (probability === 0) expect(counts[token]).toBe(0);
      // Five standard deviations.
      else
        expect(Math.abs((counts[token] as number) / DRAWS - probability)).toBeLessThan(
          5 * Math.sqrt((probability * (1 - probability)) / DRAWS) + 1e-9,
        );
    });
  });

  test('the same seed gives the same text, another one another', async () => {
    const draw = (seed: number) =>
      (models.sotu as TextModel).generate({
        input_ids: [[54, 74, 71]],
        do_sample: true,
        max_new_tokens: 12,
        num_return_sequences: 2,
        seed,
      });
    const [first, again, other] = [await draw(1), await draw(1), await draw(2)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    expect(first[0]).not.toEqual(first[1]);
  });
});
