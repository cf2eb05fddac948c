import { type Layer, type Module, slice, splitHeads } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';

type Projection = Layer & { readonly inFeatures: number };

/** What every attention module must have, whatever its class. */
interface Common extends Module {
  readonly heads: number;
  /** @param x [B·T, C] @param step what the layers of one pass share @returns [B·T, C] */
  forward(x: tf.Tensor2D, step: unknown, ...rest: unknown[]): tf.Tensor2D;
  /** What keys are compared with. @param x [B·T, C] @returns [B·T, H·D] */
  queries(x: tf.Tensor2D, step: unknown): tf.Tensor2D;
}

/** Attention with projections of their own, such as Llama's. */
interface SeparateAttention extends Common {
  readonly k_proj: Projection;
  readonly v_proj: Projection;
  readonly o_proj: Layer;
  readonly kvHeads: number;
}

/** Attention with one projection for queries, keys and values, such as GPT-2's. */
interface FusedAttention extends Common {
  readonly c_attn: Projection;
}

/** The attention modules that prompts can be put on. */
export type Attention = SeparateAttention | FusedAttention;

export function isAttention(module: Module): module is Attention {
  const has = (...names: string[]) => names.every((name) => name in module);
  return has('heads', 'queries') && (has('c_attn') || has('k_proj', 'v_proj', 'o_proj', 'kvHeads'));
}

/** C */
export function hiddenSize(attention: Attention): number {
  return ('c_attn' in attention ? attention.c_attn : attention.k_proj).inFeatures;
}

/** A layer's own keys and values of a prompt, without positions. @param prompt [V, C] @returns [1, Hkv, V, D] each */
export function keysAndValues(attention: Attention, prompt: tf.Tensor2D): { key: tf.Tensor4D; value: tf.Tensor4D } {
  if ('c_attn' in attention) {
    const qkv = attention.c_attn.forward(prompt); // [V, 3·C]
    const width = prompt.shape[1];
    const part = (i: number) => splitHeads(slice(qkv, [0, i * width], [-1, width]), 1, attention.heads); // [1, H, V, D]
    return { key: part(1), value: part(2) };
  }
  const { k_proj, v_proj, kvHeads } = attention;
  return { key: splitHeads(k_proj.forward(prompt), 1, kvHeads), value: splitHeads(v_proj.forward(prompt), 1, kvHeads) };
}

/** As in Python PEFT, GPT-2's output projection is not applied to what the prompts give. @param x [B·T, H·D] @returns [B·T, C] */
export function project(attention: Attention, x: tf.Tensor2D): tf.Tensor2D {
  return 'o_proj' in attention ? attention.o_proj.forward(x) : x;
}
