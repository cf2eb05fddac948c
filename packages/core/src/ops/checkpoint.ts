import * as tf from '@tensorflow/tfjs-core';
import { type Module, parameters } from '../module/Module';
import { defaultGenerator } from '../module/random';
import { apart, differentiable } from './differentiable';
import { isRecording } from './engineForms';

let asked = false;

/** Runs a forward pass whose layers keep no activations for their gradients. */
export function withCheckpointing<Out>(forward: () => Out): Out {
  const before = asked;
  asked = true;
  try {
    return forward();
  } finally {
    asked = before;
  }
}

/** Whether layers are to keep no activations. */
export const isCheckpointing = (): boolean => asked && isRecording();

/**
 * What a layer computes, without its activations being kept: they are computed again on the way back, with the same dropout.
 * A third more computation, for the memory of one layer at a time.
 * @param inputs all that `compute` reads beside the layer's own parameters, with tensors at any depth of plain objects and arrays
 * @param compute must have no other effect than what it returns
 */
export function checkpoint<Inputs extends object, Out extends tf.Tensor>(
  layer: Module,
  inputs: Inputs,
  compute: (inputs: Inputs) => Out,
): Out {
  const { state } = tf.engine();
  const recorded = new Set(state.activeTape?.flatMap(({ outputs }) => outputs.map(({ id }) => id)));
  const tensors = tf.tensor_util.getTensorsInContainer(inputs as tf.TensorContainerObject);
  const trained = parameters(layer).filter(({ trainable }) => trainable);
  const sources = [...new Set<tf.Tensor>([...tensors.filter(({ id }) => recorded.has(id)), ...trained.map(({ value }) => value)])];
  const seed = defaultGenerator().getState();
  return differentiable<Record<string, tf.Tensor>, Out>(Object.fromEntries(sources.entries()), {
    forward: (save) => {
      save(tensors);
      return compute(inputs);
    },
    backward: (dy, saved) => {
      const kept = new Map(tensors.map((tensor, i) => [tensor, saved[i] as tf.Tensor]));
      const again = () => compute(replaced(inputs, kept));
      const gradients = gradientsAgain(
        again,
        sources.map((source) => kept.get(source) ?? source),
        dy,
        seed,
      );
      return Object.fromEntries(sources.map((source, i) => [i, () => gradients[i] ?? tf.zerosLike(source)]));
    },
  });
}

/** The same plain objects and arrays with other tensors in them. */
function replaced<T>(value: T, by: ReadonlyMap<tf.Tensor, tf.Tensor>): T {
  if (value instanceof tf.Tensor) return (by.get(value) ?? value) as T;
  if (Array.isArray(value)) return value.map((item) => replaced(item, by)) as T;
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, replaced(item, by)])) as T;
}

function gradientsAgain<Out extends tf.Tensor>(compute: () => Out, sources: tf.Tensor[], dy: Out, seed: readonly number[]): tf.Tensor[] {
  const { state } = tf.engine();
  const generator = defaultGenerator();
  // The tape and the stream of random numbers go on afterwards where they are now.
  const [tape, now] = [state.activeTape, generator.getState()];
  generator.setState(seed);
  try {
    return apart(() => tf.tidy(() => tf.engine().gradients(compute, sources, dy, true).grads));
  } finally {
    if (tape) state.activeTape = tape;
    generator.setState(now);
  }
}
