import { dropout, kind, type Layer, Linear, Module } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';

/** A linear layer and dropout, as both halves of a transformer's layer may end; the residual is added outside. */
export class DenseDropout extends Module {
  static override readonly [kind] = 'DenseDropout';
  readonly dense: Layer;
  readonly dropout: number;

  /** @param rate of dropout @param std of the weight at the start */
  constructor(width: number, outputs: number, rate: number, std: number) {
    super();
    this.dense = new Linear(width, outputs, true, std);
    this.dropout = rate;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return dropout(this.dense.forward(x), this.dropout, this.training);
  }
}
