import type * as tf from '@tensorflow/tfjs-core';
import { kind } from '../module/brand';
import { constant } from '../module/initializers';
import { Module } from '../module/Module';
import { Parameter } from '../module/Parameter';
import { rmsNorm } from '../ops/norms';

/** Root-mean-square normalisation over the last dimension; weight and `offset`, which is added to it, are 1 together at first. */
export class RMSNorm extends Module {
  static override readonly [kind] = 'RMSNorm';
  readonly weight: Parameter; // [C]
  readonly eps: number;
  readonly offset: number;

  constructor(size: number, eps = 1e-6, offset = 0) {
    super();
    this.weight = new Parameter([size], constant(1 - offset));
    this.eps = eps;
    this.offset = offset;
  }

  /** @param x [N, C] @returns [N, C] */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    return rmsNorm(x, this.weight, this.eps, this.offset);
  }
}
