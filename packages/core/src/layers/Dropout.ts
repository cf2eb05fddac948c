import type * as tf from '@tensorflow/tfjs-core';
import { kind } from '../module/brand';
import { Module } from '../module/Module';
import { dropout } from '../ops/dropout';

/** Sets elements to zero with probability p while training, and scales the others by 1 / (1 - p). */
export class Dropout extends Module {
  static override readonly [kind] = 'Dropout';
  readonly p: number;

  constructor(p = 0.5) {
    super();
    if (!(p >= 0 && p <= 1)) throw new Error(`the dropout probability must be between 0 and 1, not ${p}`);
    this.p = p;
  }

  /** @param x any shape @returns the same shape */
  forward<T extends tf.Tensor>(x: T): T {
    return dropout(x, this.p, this.training);
  }
}
