import type * as tf from '@tensorflow/tfjs-core';
import { kind } from '../module/brand';
import { kaimingUniform, normal, uniform, zeros } from '../module/initializers';
import { Module } from '../module/Module';
import { Parameter } from '../module/Parameter';
import { linear } from '../ops/linear';

/** y = x·Wᵀ + b, initialised as PyTorch's: U(±1/√in) for both; or, given `std`, as transformers': W from N(0, std) and b = 0. */
export class Linear extends Module {
  static override readonly [kind] = 'Linear';
  readonly weight: Parameter; // [out, in]
  readonly bias: Parameter | null; // [out]

  constructor(inFeatures: number, outFeatures: number, bias = true, std?: number) {
    super();
    const bound = 1 / Math.sqrt(inFeatures);
    this.weight = new Parameter([outFeatures, inFeatures], std === undefined ? kaimingUniform : normal(0, std));
    this.bias = bias ? new Parameter([outFeatures], std === undefined ? uniform(-bound, bound) : zeros) : null;
  }

  get inFeatures(): number {
    return this.weight.shape[1] as number;
  }

  get outFeatures(): number {
    return this.weight.shape[0] as number;
  }

  /** @param x [N, in] @returns [N, out] */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    return linear(x, this.weight, this.bias);
  }
}
