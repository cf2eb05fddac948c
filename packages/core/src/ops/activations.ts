import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable';
import { tanh } from './elementwise';
import { type ActivationForm, inferenceForms, onceDifferentiable } from './engineForms';

// Each of these is tidied where it is computed: on the way back, intermediates of the widest activations make the peak of memory.
const tidied =
  (f: (x: tf.Tensor) => tf.Tensor) =>
  (x: tf.Tensor): tf.Tensor =>
    tf.tidy(() => f(x));

/**
 * A function of each element, given with its slope; both see x, so that nothing else is kept.
 * @param name the engine's form of it
 */
const pointwise =
  (value: (x: tf.Tensor) => tf.Tensor, slope: (x: tf.Tensor) => tf.Tensor, name?: ActivationForm) =>
  <T extends tf.Tensor>(x: T): T => {
    const gradient = name && onceDifferentiable().activationGradient;
    return differentiable<{ x: tf.Tensor }, T>(
      { x },
      {
        forward: (save) => {
          save([x]);
          return ((name && inferenceForms()[name]) ?? value)(x) as T;
        },
        backward: (dy, saved) => {
          const [at] = saved as [T];
          return {
            x: () => {
              if (name && gradient) return gradient(name, dy, at);
              return tf.mul(
                dy,
                tf.tidy(() => slope(at)),
              );
            },
          };
        },
      },
    );
  };

/** x·Φ(x), Φ the normal distribution function. */
export const gelu = pointwise(
  (x) => tf.mul(x, normalCdf(x)),
  (x) => tf.add(normalCdf(x), tf.mul(x, tf.mul(bell(x), 1 / Math.sqrt(2 * Math.PI)))),
  'gelu',
);

const normalCdf = tidied((x) => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5));

/** exp(-x²/2). wasm's exponential is slow, its sigmoid is not: eᶻ = σ(z) / (1 - σ(z)). */
const bell = tidied((x) => {
  const z = tf.mul(tf.square(x), -0.5);
  if (tf.getBackend() !== 'wasm') return tf.exp(z);
  const s = tf.sigmoid(z);
  return tf.div(s, tf.sub(1, s));
});

// (1 + tanh(u)) / 2 = sigmoid(2u), u = √(2/π)·(x + 0.044715·x³)
const inner = 2 * Math.sqrt(2 / Math.PI);
const tanhCdf = tidied((x) => tf.sigmoid(tf.mul(x, tf.add(tf.mul(tf.square(x), inner * 0.044715), inner))));

/** gelu by its tanh approximation. */
export const geluTanh = pointwise(
  (x) => tf.mul(x, tanhCdf(x)),
  (x) => {
    const s = tanhCdf(x);
    const inside = tf.tidy(() => tf.mul(x, tf.add(tf.mul(tf.square(x), 3 * inner * 0.044715), inner))); // x·(2u)'
    return tf.mul(s, tf.add(tf.mul(inside, tf.sub(1, s)), 1));
  },
  'geluTanh',
);

/** x·sigmoid(x). */
export const silu = pointwise(
  (x) => tf.mul(x, tf.sigmoid(x)),
  (x) => siluSlope(x, tf.sigmoid(x)),
  'silu',
);

/** gelu by x·sigmoid(1.702·x). */
export const quickGelu = pointwise(
  (x) => tf.mul(x, tf.sigmoid(tf.mul(x, 1.702))),
  (x) => {
    const scaled = tf.mul(x, 1.702);
    return siluSlope(scaled, tf.sigmoid(scaled));
  },
  'quickGelu',
);

const siluSlope = (x: tf.Tensor, s: tf.Tensor): tf.Tensor => tf.tidy(() => tf.mul(s, tf.add(tf.mul(x, tf.sub(1, s)), 1)));

/** max(x, 0). */
export const relu = pointwise(
  (x) => tf.relu(x),
  (x) => tf.step(x),
);

/** 1 / (1 + e⁻ˣ). */
export function sigmoid<T extends tf.Tensor>(x: T): T {
  return differentiable<{ x: tf.Tensor }, T>(
    { x },
    {
      forward: (save) => {
        const y = tf.sigmoid(x);
        save([y]);
        return y;
      },
      backward: (dy, [y]) => ({ x: () => tf.mul(dy, tf.mul(y as T, tf.sub(1, y as T))) }),
    },
  );
}

/** silu(gate)·up as one operation. */
export function swiglu<T extends tf.Tensor>(gate: T, up: T): T {
  const gradient = onceDifferentiable().swigluGradient;
  return differentiable<Record<'gate' | 'up', tf.Tensor>, T>(
    { gate, up },
    {
      forward: (save) => {
        save([gate, up]);
        return (inferenceForms().swiglu?.(gate, up) as T | undefined) ?? tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
      },
      backward: (dy, saved) => {
        const [g, u] = saved as [T, T];
        if (gradient) {
          const [dGate, dUp] = gradient(dy, g, u);
          return { gate: () => dGate, up: () => dUp };
        }
        const s = tf.sigmoid(g);
        return {
          gate: () => tf.mul(tf.mul(dy, u), siluSlope(g, s)),
          up: () => tf.mul(dy, tf.mul(g, s)),
        };
      },
    },
  );
}

export type Activation = <T extends tf.Tensor>(x: T) => T;

const byName: Record<string, Activation> = {
  gelu,
  gelu_python: gelu,
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  quick_gelu: quickGelu,
  silu,
  swish: silu,
  relu,
  sigmoid,
  tanh,
};

/** An activation by the name that config files give it. Errors: an unknown name. */
export function activation(name: string): Activation {
  if (!Object.hasOwn(byName, name)) throw new Error(`unknown activation "${name}"; known: ${Object.keys(byName).join(', ')}`);
  return byName[name] as Activation;
}
