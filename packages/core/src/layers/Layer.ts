import type * as tf from '@tensorflow/tfjs-core';
import type { Module } from '../module/Module';

/** What models declare their linear layers as: at run time an adapter layer may stand there. */
export interface Layer extends Module {
  /** @param x [N, in] @returns [N, out] */
  forward(x: tf.Tensor2D): tf.Tensor2D;
}

/** What models declare their embeddings as, likewise. */
export interface EmbeddingLayer extends Module {
  /** @param ids [N] int32 @returns [N, C] */
  forward(ids: tf.Tensor1D): tf.Tensor2D;
}

/** What models declare their convolutions as, likewise. */
export interface ConvLayer extends Module {
  /** @param x [B, height, width, in] @returns [B, height', width', out] */
  forward(x: tf.Tensor4D): tf.Tensor4D;
}
