import type * as tf from '@tensorflow/tfjs-core';
import { kind } from '../module/brand';
import { normal, zeros } from '../module/initializers';
import { Module } from '../module/Module';
import { Parameter } from '../module/Parameter';
import { linearTransposed } from '../ops/linear';

/** GPT-2's linear layer: the weight is stored [in, out]; initialised N(0, 0.02), bias 0. */
export class Conv1D extends Module {
  static override readonly [kind] = 'Conv1D';
  readonly weight: Parameter; // [in, out]
  readonly bias: Parameter | null; // [out]

  constructor(outFeatures: number, inFeatures: number) {
    super();
    this.weight = new Parameter([inFeatures, outFeatures], normal(0, 0.02));
    this.bias = new Parameter([outFeatures], zeros);
  }

  get inFeatures(): number {
    return this.weight.shape[0] as number;
  }

  get outFeatures(): number {
    return this.weight.shape[1] as number;
  }

  /** @param x [N, in] @returns [N, out] */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    return linearTransposed(x, this.weight, this.bias);
  }
}
