import type * as tf from '@tensorflow/tfjs-core';
import { kind } from '../module/brand';
import { kaimingUniform, normal, uniform, zeros } from '../module/initializers';
import { Module } from '../module/Module';
import { Parameter } from '../module/Parameter';
import { conv2d } from '../ops/conv2d';
import { reshape } from '../ops/shapes';

export interface TimeConvOptions {
  /** @default 1 */
  stride?: number;
  /** Zeros before and after each sequence. @default 0 */
  padding?: number;
  /** The weight starts from N(0, std) and the bias from 0, as in transformers, instead of as in PyTorch. */
  std?: number;
}

/** A convolution along time (PyTorch's Conv1d) on channels-last activations, the weight in PyTorch's layout and initialised as PyTorch's. */
export class TimeConv extends Module {
  static override readonly [kind] = 'TimeConv';
  readonly weight: Parameter; // [out, in, kernel]
  readonly bias: Parameter; // [out]
  readonly stride: number;
  readonly padding: number;

  constructor(inChannels: number, outChannels: number, kernelSize: number, { stride = 1, padding = 0, std }: TimeConvOptions = {}) {
    super();
    const bound = 1 / Math.sqrt(inChannels * kernelSize);
    this.weight = new Parameter([outChannels, inChannels, kernelSize], std === undefined ? kaimingUniform : normal(0, std));
    this.bias = new Parameter([outChannels], std === undefined ? uniform(-bound, bound) : zeros);
    this.stride = stride;
    this.padding = padding;
  }

  /** @param x [B, T, in] @returns [B, T', out] */
  forward(x: tf.Tensor3D): tf.Tensor3D {
    const [batch, length, channels] = x.shape;
    const image = reshape<tf.Tensor4D>(x, [batch, 1, length, channels]);
    const y = conv2d(image, this.weight, this.bias, { stride: [1, this.stride], padding: [0, this.padding] }); // [B, 1, T', out]
    return reshape<tf.Tensor3D>(y, [batch, y.shape[2], y.shape[3]]);
  }
}
