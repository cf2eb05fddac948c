import '@tensorflow/tfjs-backend-wasm';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PeftModel, setWarningHandler } from '@peft/core';
import { AutoModelForCausalLM, AutoModelForSeq2SeqLM } from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { promptTuning } from './index';

/** Python's new ids, by fixtures/make.py: by side of the padding and number of beams. */
type Expected = { pad_token_id: number } & Record<`${'alone' | 'left' | 'right'}, ${1 | 3} beams`, number[][]>;
const expected = JSON.parse(await readFile(new URL('./fixtures/generation.json', import.meta.url), 'utf8')) as Record<string, Expected>;
const rows = [
  [5, 9, 31, 7, 22],
  [3, 40, 12],
  [17, 64, 2, 51],
];
const warnings: string[] = [];

beforeAll(async () => {
  await tf.setBackend('wasm');
  setWarningHandler((message) => warnings.push(message));
});
afterAll(() => void setWarningHandler(undefined));

const load = async (name: string) => {
  const path = fileURLToPath(new URL(`../../../fixtures/reference/${name}`, import.meta.url));
  const auto = name.endsWith('seq-2-seq-lm') ? AutoModelForSeq2SeqLM : AutoModelForCausalLM;
  return PeftModel.fromPretrained(await auto.fromPretrained(`${path}/base`), `${path}/prompt-tuning`, { tuners: [promptTuning] });
};

/** The rows as one batch, or each as its own. */
function batches(side: string, pad: number): { input_ids: number[][]; attention_mask: number[][] }[] {
  if (side === 'alone') return rows.map((row) => ({ input_ids: [row], attention_mask: [row.map(() => 1)] }));
  const fill = (row: number[], filler: number) => {
    const gap = Array.from({ length: 5 - row.length }, () => filler);
    return side === 'left' ? [...gap, ...row] : [...row, ...gap];
  };
  const ones = rows.map((row) => row.map(() => 1));
  return [{ input_ids: rows.map((row) => fill(row, pad)), attention_mask: ones.map((row) => fill(row, 0)) }];
}

it.each(Object.entries(expected))('on %s what Python generates is generated, whatever the padding and with beams', async (name, ours) => {
  const { pad_token_id, ...generations } = ours;
  const model = await load(name);
  let kept: number | undefined;
  for (const [how, ids] of Object.entries(generations)) {
    for (const use_cache of [true, false]) {
      const found: number[][] = [];
      for (const batch of batches(how.split(',')[0] as string, pad_token_id)) {
        const skip = name.endsWith('seq-2-seq-lm') ? 0 : (batch.input_ids[0] as number[]).length;
        const options = { num_beams: how.includes('3') ? 3 : 1, max_new_tokens: 7, pad_token_id, eos_token_id: null, use_cache };
        found.push(...(await model.generate({ ...batch, ...options })).map((row) => row.slice(skip)));
      }
      expect([how, use_cache, found]).toEqual([how, use_cache, ids]);
      // The first pass keeps transposes of the weights.
      kept ??= tf.memory().numTensors;
      expect(tf.memory().numTensors).toBe(kept);
    }
  }
  model.dispose();
});

it('says that padding on the left counts', () => {
  expect(warnings.filter((warning) => warning.includes('padding on the left counts as positions')).length).toBeGreaterThan(0);
});

it('samples, streams and generates without the adapter', async () => {
  const model = await load('llama-causal-lm');
  const prompt = { input_ids: [rows[0] as number[]], eos_token_id: null, max_new_tokens: 6 };
  const streamed: number[] = [];
  const onToken = (tokens: readonly number[]) => void streamed.push(tokens[0] as number);
  const [ids] = await model.generate({ ...prompt, do_sample: true, seed: 5, onToken });
  expect(ids?.slice(5)).toEqual(streamed);
  expect(await model.generate({ ...prompt, do_sample: true, seed: 5 })).toEqual([ids]);
  const own = await model.generate(prompt);
  const bare = await model.disableAdapter(() => model.generate(prompt));
  expect(bare).toEqual(await model.getBaseModel().generate(prompt));
  expect(bare).not.toEqual(own);
  expect(await model.generate(prompt)).toEqual(own);
  model.dispose();
});
