import * as tf from '@tensorflow/tfjs-core';
import { isRecording } from './engineForms';

export interface Differentiable<Inputs extends Record<string, tf.Tensor>, Out extends tf.Tensor | tf.Tensor[]> {
  /** Computes the value, or several; `save` keeps what the backward pass needs, in order. */
  forward(save: (tensors: tf.Tensor[]) => void): Out;
  /**
   * One function an input. It is called only where something trainable stands behind that input. What is computed before
   * they are returned is shared among them, and freed with the saved tensors.
   */
  backward(dy: Out, saved: tf.Tensor[]): { [Name in keyof Inputs]: () => tf.Tensor };
}

interface Engine {
  readonly state: { readonly gradientDepth: number; readonly activeScope: { readonly id: number; readonly track: readonly tf.Tensor[] } };
  runKernelFunc(call: {
    inputs: Record<string, tf.Tensor>;
    forwardFunc: (backend: unknown, save: (tensors: tf.Tensor[]) => void) => tf.Tensor | tf.Tensor[];
    backwardsFunc: (dy: tf.Tensor | tf.Tensor[], saved: tf.Tensor[]) => Record<string, () => tf.Tensor>;
  }): tf.Tensor | tf.Tensor[];
}

/** The last node's output gradients and saved activations: dead as soon as the next node's backward begins. */
let spent: tf.Tensor[] = [];

/** Runs a backward pass in the midst of another, whose tensors stay. */
export function apart<Out>(backward: () => Out): Out {
  const outer = spent;
  spent = [];
  try {
    return backward();
  } finally {
    spent = outer;
  }
}

/**
 * An operation with a gradient of its own, on tfjs's tape.
 *
 * `tf.customGrad` computes the gradients of all inputs, frozen weights included; the engine's own entry, which it wraps,
 * takes one function an input and calls only those that are needed. Activations are freed node by node on the way
 * back, so a step holds one layer's gradients, not all of them.
 */
export function differentiable<Inputs extends Record<string, tf.Tensor>, Out extends tf.Tensor | tf.Tensor[]>(
  inputs: Inputs,
  { forward, backward }: Differentiable<Inputs, Out>,
): Out {
  // Where nothing is recorded, the engine would only take longer.
  if (!isRecording()) return tf.tidy(() => forward(() => {}));
  const engine = tf.engine() as unknown as Engine;
  return engine.runKernelFunc({
    inputs,
    forwardFunc: (_, save) => forward(save),
    backwardsFunc: (dy, saved) => {
      const dys = [dy].flat();
      // Inside an outer gradient the tape is still needed; a dy from outside this backward pass is the caller's.
      if (engine.state.gradientDepth === 0) {
        for (const tensor of spent) tensor.dispose();
        spent = [...dys.filter(({ scopeId }) => scopeId === engine.state.activeScope.id), ...saved];
      }
      const { activeScope } = engine.state;
      const before = activeScope.track.length;
      const gradients = backward(dy as Out, saved);
      const shared = activeScope.track.slice(before).filter((tensor) => !(tensor as { kept?: boolean }).kept);
      if (engine.state.gradientDepth === 0) spent = [...spent, ...shared];
      return Object.fromEntries(
        Object.entries(gradients).map(([name, gradient]) => [
          name,
          () => {
            const value = gradient();
            // The engine disposes gradients it has added up: two inputs must not share one tensor.
            return dys.includes(value) || shared.includes(value) ? tf.clone(value) : value;
          },
        ]),
      );
    },
  }) as Out;
}
