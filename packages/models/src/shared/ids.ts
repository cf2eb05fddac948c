import type { Ids } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

/** Whole numbers of shape [B, T] as they lie in memory, row by row. */
export interface Matrix {
  values: Int32Array;
  rows: number;
  columns: number;
}

/** Reads ids, masks or labels. Errors: rows of different lengths. */
export function toMatrix(ids: Ids, name: string): Matrix {
  if (ids instanceof tf.Tensor) return { values: Int32Array.from(ids.dataSync()), rows: ids.shape[0], columns: ids.shape[1] };
  const columns = ids[0]?.length ?? 0;
  const ragged = ids.findIndex((row) => row.length !== columns);
  if (ids.length === 0 || columns === 0) throw new Error(`${name} is empty`);
  if (ragged >= 0) throw new Error(`${name} has rows of different lengths, ${columns} and ${ids[ragged]?.length}: pad them first`);
  const values = new Int32Array(ids.length * columns);
  ids.forEach((row, i) => {
    values.set(row, i * columns);
  });
  return { values, rows: ids.length, columns };
}

/** Reads a list of numbers. */
export const toList = (values: readonly number[] | tf.Tensor): number[] =>
  values instanceof tf.Tensor ? Array.from(values.dataSync()) : [...values];
