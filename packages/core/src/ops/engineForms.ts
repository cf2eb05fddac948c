import * as tf from '@tensorflow/tfjs-core';
import type { FilePlace } from '../files/safetensors';

/**
 * Operations as an engine computes them itself, faster than tfjs's kernels one after the other: the same values up to rounding.
 * They record no gradient: operations use them where none is recorded, or together with the gradients among them.
 */
export interface EngineForms {
  /** See `asOneGraph`. */
  asOneGraph<Out>(body: () => Out): Out;
  /** The sum of two tensors or more of one shape. */
  add(xs: readonly tf.Tensor[]): tf.Tensor;
  /** See `slice`; sizes are all given. */
  slice(x: tf.Tensor, begin: readonly number[], size: readonly number[]): tf.Tensor;
  /** The matrix product of equal leading dimensions, each matrix transposed first if so asked. */
  matMul(a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): tf.Tensor;
  /** x·W, or x·Wᵀ, plus bias. */
  affine(x: tf.Tensor2D, weight: tf.Tensor, bias: tf.Tensor | undefined, transposed: boolean): tf.Tensor2D;
  /** base + scaling·(x·Aᵀ)·Bᵀ */
  lowRank(base: tf.Tensor2D, x: tf.Tensor2D, A: tf.Tensor, B: tf.Tensor, scaling: number): tf.Tensor2D;
  /** See `layerNorm` and, not centred, `rmsNorm`. */
  norm(x: tf.Tensor2D, weight: tf.Tensor, bias: tf.Tensor | undefined, eps: number, centred: boolean): tf.Tensor2D;
  /** See `rotary`, of all features. */
  rotary(x: tf.Tensor2D, cos: tf.Tensor2D, sin: tf.Tensor2D, heads: number): tf.Tensor2D;
  /** See `splitHeads`, of all positions. */
  splitHeads(x: tf.Tensor2D, batch: number, heads: number): tf.Tensor4D;
  /** See `attention`, without dropout and of all positions. */
  attention(inputs: AttentionInputs): tf.Tensor2D;
  /** See `writePositions`; changes `cache` itself and returns it. */
  writePositions(cache: tf.Tensor4D, x: tf.Tensor4D, start: number): tf.Tensor4D;
  /**
   * The values that lie in a file, as float32; nothing where this engine cannot take them from there. The file must keep its
   * content for as long as the tensor lives.
   */
  mapped(place: FilePlace, dtype: string, shape: readonly number[]): tf.Tensor | undefined;
  gelu(x: tf.Tensor): tf.Tensor;
  geluTanh(x: tf.Tensor): tf.Tensor;
  silu(x: tf.Tensor): tf.Tensor;
  quickGelu(x: tf.Tensor): tf.Tensor;
  swiglu(gate: tf.Tensor, up: tf.Tensor): tf.Tensor;
  /** softmax(scores·scale + mask). @param scores [B, H, T, S] @param mask [B or 1, H or 1, T or 1, S] */
  softmax(scores: tf.Tensor4D, mask: tf.Tensor | undefined, scale: number): tf.Tensor4D;
  /** Of each row of logits [M, V] what softmax makes of it, and its loss [M]. @param at [M, 2], where its label stands */
  rowLosses(logits: tf.Tensor2D, at: tf.Tensor2D): { losses: tf.Tensor1D; probabilities: tf.Tensor2D };

  // Gradients: the first argument is the gradient of what comes out.
  activationGradient(name: ActivationForm, dy: tf.Tensor, x: tf.Tensor): tf.Tensor;
  /** Those of gate and of up. */
  swigluGradient(dy: tf.Tensor, gate: tf.Tensor, up: tf.Tensor): [tf.Tensor, tf.Tensor];
  /** Of x alone. */
  normGradient(dy: tf.Tensor2D, x: tf.Tensor2D, weight: tf.Tensor, eps: number, centred: boolean): tf.Tensor2D;
  rotaryGradient(dy: tf.Tensor2D, cos: tf.Tensor2D, sin: tf.Tensor2D, heads: number): tf.Tensor2D;
  /** Of the scores before they are scaled. @param probabilities what `softmax` gave */
  softmaxGradient<Probabilities extends tf.Tensor>(dy: Probabilities, probabilities: Probabilities, scale: number): Probabilities;
}

export type ActivationForm = 'gelu' | 'geluTanh' | 'silu' | 'quickGelu';

export interface AttentionInputs {
  query: tf.Tensor4D; // [B, H, T, D]
  key: tf.Tensor4D; // [B, Hkv, S, D]
  value: tf.Tensor4D; // [B, Hkv, S, Dv]
  scale: number;
  softcap: number | undefined;
  /** Each added to the scores, [B or 1, H or 1, T or 1, S]. */
  biases: readonly tf.Tensor[];
}

const slot = Symbol.for('@peft/core/engineForms@1');
const shared = globalThis as unknown as Record<symbol, Map<string, Partial<EngineForms>> | undefined>;
const none: Partial<EngineForms> = {};

/** Says what a tfjs backend computes in forms of its own. */
export function registerEngineForms(backend: string, forms: Partial<EngineForms>): void {
  shared[slot] ??= new Map();
  shared[slot].set(backend, forms);
}

/** Whether gradients are being recorded of what is computed now. */
export const isRecording = (): boolean => (tf.engine() as unknown as { isTapeOn(): boolean }).isTapeOn();

/** The forms of the engine that computes. */
export const engineForms = (): Partial<EngineForms> => shared[slot]?.get(tf.getBackend()) ?? none;

/** The forms of the engine that computes, none where gradients are recorded. */
export const inferenceForms = (): Partial<EngineForms> => (shared[slot] === undefined || isRecording() ? none : engineForms());

/** How many gradients are being taken of each other, 0 where none is. */
export const gradientDepth = (): number => (tf.engine() as unknown as { state: { gradientDepth: number } }).state.gradientDepth;

/** The forms of the engine that computes, none where gradients of gradients are recorded: forms that are gradients have none. */
export const onceDifferentiable = (): Partial<EngineForms> => (gradientDepth() > 1 ? none : engineForms());
