import type * as tf from '@tensorflow/tfjs-core';
import { kind } from '../module/brand';
import { kaimingUniform, normal, uniform, zeros } from '../module/initializers';
import { Module } from '../module/Module';
import { Parameter } from '../module/Parameter';
import { conv2d } from '../ops/conv2d';

type Size = number | readonly [number, number];

export interface Conv2dLayerOptions {
  /** @default 1 */
  stride?: Size;
  /** Zeros before and after each row and column. @default 0 */
  padding?: Size;
  /** @default 1 */
  dilation?: Size;
  /** Into how many groups channels are split that do not see each other. @default 1 */
  groups?: number;
  /** @default true */
  bias?: boolean;
  /** The weight starts from N(0, std) and the bias from 0, as in transformers, instead of as in PyTorch. */
  std?: number;
}

const pair = (size: Size): [number, number] => (typeof size === 'number' ? [size, size] : [size[0], size[1]]);

/** A two-dimensional convolution on channels-last activations, the weight in PyTorch's layout and initialised as PyTorch's. */
export class Conv2d extends Module {
  static override readonly [kind] = 'Conv2d';
  readonly weight: Parameter; // [out, in / groups, kernel height, kernel width]
  readonly bias: Parameter | null; // [out]
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;

  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: Conv2dLayerOptions = {}) {
    super();
    const { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true, std } = options;
    if (inChannels % groups !== 0 || outChannels % groups !== 0)
      throw new Error(`${inChannels} channels in and ${outChannels} out cannot be split into ${groups} groups`);
    const shape = [outChannels, inChannels / groups, ...pair(kernelSize)];
    const bound = 1 / Math.sqrt(shape.slice(1).reduce((product, n) => product * n, 1));
    this.weight = new Parameter(shape, std === undefined ? kaimingUniform : normal(0, std));
    this.bias = bias ? new Parameter([outChannels], std === undefined ? uniform(-bound, bound) : zeros) : null;
    this.stride = pair(stride);
    this.padding = pair(padding);
    this.dilation = pair(dilation);
    this.groups = groups;
  }

  get inChannels(): number {
    return (this.weight.shape[1] as number) * this.groups;
  }

  get outChannels(): number {
    return this.weight.shape[0] as number;
  }

  get kernelSize(): [number, number] {
    return this.weight.shape.slice(2) as [number, number];
  }

  /** @param x [B, height, width, in] @returns [B, height', width', out] */
  forward(x: tf.Tensor4D): tf.Tensor4D {
    return conv2d(x, this.weight, this.bias, this);
  }
}
