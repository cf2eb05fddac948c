import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Generator } from '@peft/core';
import { cache } from './environment.mjs';

/**
 * Batches of texts of many lengths, padded to the longest of each as collators do, written where both sides read them.
 *
 * The lengths of pairs are those of MRPC's (mean 53 tokens, from 20 to 103), which its licence does not let this project
 * contain; those of prompts with answers have a long tail, and only the answer's quarter is labelled.
 * @param count of batches
 * @returns the file
 */
export function longTail(shape, vocabulary, count) {
  const random = new Generator(2026);
  const normal = (mean, std) => random.normal(1, mean, std)[0];
  const between = (low, high, value) => Math.max(low, Math.min(high, Math.round(value)));
  const pairs = shape === 'bert';
  const length = pairs ? () => between(20, 103, normal(53, 15)) : () => between(16, 384, Math.exp(normal(4.3, 0.7)));
  const batches = Array.from({ length: count }, () => {
    const texts = Array.from({ length: pairs ? 16 : 8 }, () =>
      Array.from({ length: length() }, () => 1000 + random.integer(vocabulary - 1000)),
    );
    const longest = Math.max(...texts.map((text) => text.length));
    const padded = (values, filler) => [...values, ...Array(longest - values.length).fill(filler)];
    return {
      input_ids: texts.map((text) => padded(text, 0)),
      attention_mask: texts.map((text) => padded(Array(text.length).fill(1), 0)),
      labels: pairs
        ? texts.map(() => random.integer(2))
        : texts.map((text) =>
            padded(
              text.map((id, i) => (i < text.length * 0.75 ? -100 : id)),
              -100,
            ),
          ),
    };
  });
  mkdirSync(join(cache, 'bench'), { recursive: true });
  const file = join(cache, 'bench', `${shape}-epoch.json`);
  writeFileSync(file, JSON.stringify(batches));
  return file;
}
