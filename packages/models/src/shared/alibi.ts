import type { TextBatch } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { keyCount } from './cache';
import { toMatrix } from './ids';
import type { Step } from './step';

/**
 * Attention with linear biases (https://arxiv.org/abs/2108.12409): what is added to scores [B or 1, H, 1, S], larger the later
 * a key stands. Positions count attended keys only.
 */
export function alibi({ attention_mask }: TextBatch, step: Step, heads: number): tf.Tensor4D {
  const { batch, length, pastLength } = step;
  const total = pastLength + length;
  const columns = keyCount(step); // S
  const given = attention_mask && toMatrix(attention_mask, 'attention_mask');
  const padded = given?.values.includes(0) ? given : undefined;
  const rows = padded ? batch : 1;
  const values = new Float32Array(rows * heads * columns);
  const slopes = slopesOf(heads);
  for (let b = 0; b < rows; b++)
    for (let s = 0, position = 0; s < total; s++) {
      if (padded?.values[b * total + s] === 0) continue;
      for (let h = 0; h < heads; h++) values[(b * heads + h) * columns + s] = (slopes[h] as number) * position;
      position++;
    }
  return tf.tensor4d(values, [rows, heads, 1, columns]);
}

/** A geometric series over a power of two of heads; heads beyond take every other one of the next finer series. */
function slopesOf(heads: number): Float32Array {
  const even = 2 ** Math.floor(Math.log2(heads));
  const base = (count: number) => Math.fround(2 ** -(8 / count));
  return Float32Array.from({ length: heads }, (_, h) => (h < even ? base(even) ** (h + 1) : base(2 * even) ** (2 * (h - even) + 1)));
}
