import * as tf from '@tensorflow/tfjs-core';
import { kind } from '../module/brand';
import { ones, zeros } from '../module/initializers';
import { Module } from '../module/Module';
import { Parameter } from '../module/Parameter';
import { batchNorm, channelStatistics } from '../ops/batchNorm';

/**
 * Batch normalisation of channels-last activations. In evaluation it uses the running statistics; while training the
 * batch's own, and moves the running ones a tenth towards them, as PyTorch does, also where its parameters are frozen.
 */
export class BatchNorm2d extends Module {
  static override readonly [kind] = 'BatchNorm2d';
  readonly weight: Parameter; // [C]
  readonly bias: Parameter; // [C]
  readonly running_mean: Parameter; // [C]
  readonly running_var: Parameter; // [C]
  readonly num_batches_tracked: Parameter; // []
  readonly eps: number;
  readonly momentum: number;

  constructor(channels: number, eps = 1e-5, momentum = 0.1) {
    super();
    this.weight = new Parameter([channels], ones);
    this.bias = new Parameter([channels], zeros);
    this.running_mean = new Parameter([channels], zeros, false, 'buffer');
    this.running_var = new Parameter([channels], ones, false, 'buffer');
    this.num_batches_tracked = new Parameter([], zeros, false, 'counter');
    this.eps = eps;
    this.momentum = momentum;
  }

  /** @param x [N, C], N all pixels of all images @returns [N, C] */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    if (this.training) this.track(x);
    const statistics = { mean: this.running_mean.value, variance: this.running_var.value };
    return batchNorm(x, this.weight, this.bias, this.training ? undefined : statistics, this.eps);
  }

  private track(x: tf.Tensor2D): void {
    const count = x.shape[0];
    if (count < 2) throw new Error('batch normalisation cannot train on one value a channel: give more pixels or more images');
    const moved = tf.tidy(() => {
      const { mean, variance } = channelStatistics(x);
      const towards = (old: Parameter, batch: tf.Tensor) => tf.add(tf.mul(old.value, 1 - this.momentum), tf.mul(batch, this.momentum));
      const unbiased = tf.mul(variance, count / (count - 1));
      return [towards(this.running_mean, mean), towards(this.running_var, unbiased), tf.add(this.num_batches_tracked.value, 1)] as const;
    });
    [this.running_mean, this.running_var, this.num_batches_tracked].forEach((buffer, i) => {
      const values = moved[i] as tf.Tensor;
      buffer.assign(values);
      values.dispose();
    });
  }
}
