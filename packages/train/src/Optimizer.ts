import type * as tf from '@tensorflow/tfjs-core';
import type { BackwardOptions } from './Gradients';

/** What an optimizer remembers of one parameter; the fields are PyTorch's. */
export interface MomentState {
  step: number;
  shape: readonly number[];
  exp_avg: Float32Array;
  exp_avg_sq: Float32Array;
}

/** What an optimizer remembers, by parameter name. */
export interface OptimizerState {
  lr: number;
  parameters: Record<string, MomentState>;
}

export interface Optimizer {
  /** The learning rate of the next step; schedules set it. */
  lr: number;
  /** Gradients added up since `zeroGrad`, by parameter name; the tensors stay the optimizer's. */
  readonly gradients: Readonly<Record<string, tf.Tensor>>;
  /**
   * Computes a loss and adds its gradients to those there are. The function runs inside a tidy: what it makes is freed.
   * @returns the loss, not scaled. Errors: nothing is trainable, or the loss does not depend on it
   */
  backward(loss: () => tf.Scalar | undefined, options?: BackwardOptions): number;
  /** The same without stopping the engine: for WebGPU, which cannot be read otherwise, and WebGL. */
  backwardAsync(loss: () => tf.Scalar | undefined, options?: BackwardOptions): Promise<number>;
  /** Scales gradients down to a common norm of at most `maxNorm`. @returns the norm they had */
  clipGradNorm(maxNorm: number): number;
  /** Updates the parameters that have gradients; others are left as they are. */
  step(): void;
  /** Drops the gradients. */
  zeroGrad(): void;
  /** What an exact continuation needs, of the parameters that are trainable now; copies. */
  state(): OptimizerState;
  /** Puts back what `state` gave. Errors: names and shapes that do not fit, all at once. */
  load(state: OptimizerState): void;
  /** Frees the gradients and forgets the moments. */
  dispose(): void;
}
