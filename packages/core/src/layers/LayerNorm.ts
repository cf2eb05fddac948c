import type * as tf from '@tensorflow/tfjs-core';
import { kind } from '../module/brand';
import { ones, zeros } from '../module/initializers';
import { Module } from '../module/Module';
import { Parameter } from '../module/Parameter';
import { layerNorm } from '../ops/norms';

/** Layer normalisation over the last dimension, weight 1 and bias 0 at first. */
export class LayerNorm extends Module {
  static override readonly [kind] = 'LayerNorm';
  readonly weight: Parameter; // [C]
  readonly bias: Parameter | null; // [C]
  readonly eps: number;

  constructor(size: number, eps = 1e-5, bias = true) {
    super();
    this.weight = new Parameter([size], ones);
    this.bias = bias ? new Parameter([size], zeros) : null;
    this.eps = eps;
  }

  /** @param x [N, C] @returns [N, C] */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    return layerNorm(x, this.weight, this.bias, this.eps);
  }
}
