import type * as tf from '@tensorflow/tfjs-core';
import { kind } from '../module/brand';
import { ones } from '../module/initializers';
import { Module } from '../module/Module';
import { Parameter } from '../module/Parameter';
import { rmsNorm } from '../ops/norms';

/** Root-mean-square normalisation over the last dimension, weight 1 at first. */
export class RMSNorm extends Module {
  static override readonly [kind] = 'RMSNorm';
  readonly weight: Parameter; // [C]
  readonly eps: number;

  constructor(size: number, eps = 1e-6) {
    super();
    this.weight = new Parameter([size], ones);
    this.eps = eps;
  }

  /** @param x [N, C] @returns [N, C] */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    return rmsNorm(x, this.weight, this.eps);
  }
}
