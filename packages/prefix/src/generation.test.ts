import '@tensorflow/tfjs-backend-wasm';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PeftModel } from '@peft/core';
import { AutoModelForCausalLM, AutoModelForSeq2SeqLM } from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prefixTuning } from './index';

/**
 * Python's, by fixtures/make.py: ids by side of the padding and number of beams; `by forward` those that an encoder–decoder model's
 * forward pass gives; and of three prompts the logits of 8 tokens at the last position.
 */
type Expected = Record<'left, 1 beams' | 'left, 3 beams' | 'right, 1 beams' | 'right, 3 beams', number[][]> & {
  'by forward'?: number[][];
  pad_token_id: number;
  positions?: number[];
};
const expected = JSON.parse(await readFile(new URL('./fixtures/generation.json', import.meta.url), 'utf8')) as Record<string, Expected>;

const rows = [
  [5, 9, 31, 7, 22],
  [3, 40, 12],
  [17, 64, 2, 51],
];

beforeAll(async () => {
  await tf.setBackend('wasm');
});

describe.each(Object.entries(expected))('prefixes on %s', (name, { pad_token_id, positions, ...generations }) => {
  const load = async () => {
    const path = fileURLToPath(new URL(`../../../fixtures/reference/${name}`, import.meta.url));
    const auto = name.endsWith('seq-2-seq-lm') ? AutoModelForSeq2SeqLM : AutoModelForCausalLM;
    return PeftModel.fromPretrained(await auto.fromPretrained(`${path}/base`), `${path}/prefix`, { tuners: [prefixTuning] });
  };

  it('generate what Python does, whatever side the padding is on and with beams', async () => {
    const model = await load();
    let before: number | undefined;
    for (const [how, ids] of Object.entries(generations)) {
      const fill = (row: number[], filler: number, own = row) => {
        const padding = Array.from({ length: 5 - row.length }, () => filler);
        return how.startsWith('left') ? [...padding, ...own] : [...own, ...padding];
      };
      const options = {
        input_ids: rows.map((row) => fill(row, pad_token_id)),
        attention_mask: rows.map((row) =>
          fill(
            row,
            0,
            row.map(() => 1),
          ),
        ),
        num_beams: how.includes('3') ? 3 : 1,
        max_new_tokens: 7,
        pad_token_id,
        eos_token_id: null,
        ignore_prefix_length: how !== 'by forward',
      };
      expect([how, await model.generate(options)]).toEqual([how, ids]);
      // The first pass keeps transposes of the weights.
      before ??= tf.memory().numTensors;
      expect(tf.memory().numTensors).toBe(before);
    }
    model.dispose();
  });

  it.runIf(positions)('stand before positions that are given', async () => {
    const model = await load();
    const position_ids = [
      [0, 1, 2],
      [2, 3, 4],
      [5, 1, 0],
    ];
    const logits = tf.tidy(() => model.forward({ input_ids: rows.map((row) => row.slice(0, 3)), position_ids }).logits as tf.Tensor3D);
    const ours = (await logits.array()).flatMap((row) => (row.at(-1) as number[]).slice(0, 8));
    ours.forEach((value, i) => {
      expect(value).toBeCloseTo((positions as number[])[i] as number, 4);
    });
    logits.dispose();
    model.dispose();
  });
});
