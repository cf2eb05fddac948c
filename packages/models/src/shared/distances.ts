import * as tf from '@tensorflow/tfjs-core';

/** How relative positions are told apart. */
export interface DistanceSettings {
  /** Far distances share buckets, so many in each direction; below 1 for none. */
  buckets: number;
  /** From here on all distances are one. */
  largest: number;
}

/**
 * The rows of a table of relative positions that a distance query - key has: up to half the buckets a row a distance, then rows
 * that widen like the logarithm.
 */
export function distanceRow(distance: number, { buckets, largest }: DistanceSettings): number {
  const span = buckets > 0 ? buckets : largest;
  const bucket = buckets > 0 ? logarithmicBucket(distance, buckets, largest) : distance;
  return Math.min(Math.max(bucket + span, 0), 2 * span - 1);
}

/** The distances that occur between T positions. */
export interface Distances {
  /** The vector of each row that occurs, once, [R, C]. */
  vectors: tf.Tensor2D;
  /** Where in them the distances T - 1, T - 2, … -T lie. */
  falling: number[];
  /** Where in them the distances -(T - 1), … T - 1, T lie. */
  rising: number[];
}

/** @param look gives the vectors [R, C] of rows [R] */
export function distancesBetween(length: number, settings: DistanceSettings, look: (rows: tf.Tensor1D) => tf.Tensor2D): Distances {
  const row = (distance: number) => distanceRow(distance, settings);
  const first = row(-length);
  const used = Int32Array.from({ length: row(length) - first + 1 }, (_, i) => first + i);
  const places = (distance: (c: number) => number) => Array.from({ length: 2 * length }, (_, c) => row(distance(c)) - first);
  return {
    vectors: look(tf.tensor1d(used, 'int32')),
    falling: places((c) => length - 1 - c),
    rising: places((c) => c - (length - 1)),
  };
}

/** Computed in single precision, as by the library the tables were trained with: a rounding decides between buckets. */
export function logarithmicBucket(distance: number, buckets: number, largest: number): number {
  const middle = Math.floor(buckets / 2);
  const size = Math.abs(distance);
  if (size <= middle) return distance;
  const { fround } = Math;
  const log = (x: number) => fround(Math.log(fround(x)));
  const share = fround(log(size / middle) / log((largest - 1) / middle));
  return Math.sign(distance) * (Math.ceil(fround(share * (middle - 1))) + middle);
}
