import { Conv1D, Conv2d, Embedding, isA, type Parameter } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { LoraConv2d } from '../LoraConv2d';
import { LoraEmbedding } from '../LoraEmbedding';
import type { LoraLinear } from '../LoraLinear';
import type { LoraLayer } from '../lora';

/** A low-rank pair as plain matrices: A [r, columns], B [rows, r], row-major. */
export interface LowRankPair {
  A: Float32Array;
  B: Float32Array;
  rows: number;
  columns: number;
  r: number;
}

/** The parameters in which a layer keeps an adapter's A and B. */
export function pairOf(layer: LoraLayer, name: string): { A: Parameter; B: Parameter; bias: Parameter | undefined } | undefined {
  if (isA(layer, LoraEmbedding)) {
    const A = layer.lora_embedding_A[name];
    const B = layer.lora_embedding_B[name];
    return A && B && { A, B, bias: undefined };
  }
  const A = (layer as LoraLinear | LoraConv2d).lora_A[name]?.weight;
  const B = (layer as LoraLinear | LoraConv2d).lora_B[name];
  return A && B && { A, B: B.weight, bias: B.bias };
}

/** An adapter's A and B on a layer. */
export function readPair(layer: LoraLayer, name: string): LowRankPair | undefined {
  const pair = pairOf(layer, name);
  if (!pair) return undefined;
  const r = pair.A.shape[0] as number;
  return {
    A: pair.A.value.dataSync() as Float32Array,
    B: pair.B.value.dataSync() as Float32Array,
    r,
    columns: pair.A.size / r,
    rows: pair.B.shape[0] as number,
  };
}

/** What an adapter changes the layer's weight by, [rows, columns] of B·A; with DoRA all of it, magnitude included. */
export function readDelta(layer: LoraLayer, name: string): Float32Array {
  return tf.tidy(() => {
    const delta: tf.Tensor = layer.change(name);
    const base = layer.base_layer;
    if (isA(base, Conv1D) || isA(base, Embedding)) return tf.transpose(delta).dataSync() as Float32Array;
    return (isA(base, Conv2d) ? tf.reshape(delta, [base.outChannels, -1]) : delta).dataSync() as Float32Array;
  });
}
