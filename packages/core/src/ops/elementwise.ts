import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable';
import { inferenceForms } from './engineForms';

/** The sum of tensors of one shape. */
export function add<T extends tf.Tensor>(...xs: T[]): T {
  const [first, ...rest] = xs;
  if (!first) throw new Error('add needs at least one tensor, there is none');
  if (rest.length === 0) return first;
  const { add: form } = inferenceForms();
  if (form) return form(xs) as T;
  const inputs = Object.fromEntries(xs.entries());
  return differentiable(inputs, {
    forward: () => rest.reduce((sum, x) => tf.add(sum, x), first),
    backward: (dy) => Object.fromEntries(xs.map((_, i) => [i, () => dy])),
  });
}

/**
 * a·b, element by element.
 * @param a [N, C], or any shape
 * @param b the same shape, or one that broadcasts onto it ([C], [1, C], [N, 1]); its gradient is summed back
 */
export function multiply<T extends tf.Tensor>(a: T, b: tf.Tensor): T {
  return differentiable<Record<'a' | 'b', tf.Tensor>, T>(
    { a, b },
    {
      forward: (save) => {
        save([a, b]);
        return tf.mul(a, b);
      },
      backward: (dy, [savedA, savedB]) => ({
        a: () => tf.mul(dy, savedB as tf.Tensor),
        b: () => sumTo(tf.mul(dy, savedA as tf.Tensor), (savedB as tf.Tensor).shape),
      }),
    },
  );
}

/** x·factor. */
export function scale<T extends tf.Tensor>(x: T, factor: number): T {
  return differentiable(
    { x: x as tf.Tensor },
    { forward: () => tf.mul(x, factor), backward: (dy) => ({ x: () => tf.mul(dy, factor) }) },
  ) as T;
}

/** The hyperbolic tangent. */
export function tanh<T extends tf.Tensor>(x: T): T {
  return differentiable<{ x: tf.Tensor }, T>(
    { x },
    {
      forward: (save) => {
        const y = tf.tanh(x);
        save([y]);
        return y;
      },
      backward: (dy, [y]) => ({ x: () => tf.sub(dy, tf.mul(dy, tf.square(y as T))) }),
    },
  );
}

/** cap·tanh(x / cap): x itself where it is small, never beyond ±cap. */
export function softcap<T extends tf.Tensor>(x: T, cap: number): T {
  return differentiable<{ x: tf.Tensor }, T>(
    { x },
    {
      forward: (save) => {
        const bounded = tf.tanh(tf.div(x, cap));
        save([bounded]);
        return tf.mul(bounded, cap) as T;
      },
      backward: (dy, [bounded]) => ({ x: () => tf.sub(dy, tf.mul(dy, tf.square(bounded as T))) }),
    },
  );
}

/** Undoes a broadcast: sums over the dimensions it repeated. */
function sumTo(x: tf.Tensor, shape: number[]): tf.Tensor {
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((n, i) => (i < lead || (shape[i - lead] === 1 && n !== 1) ? [i] : []));
  return axes.length === 0 ? x : tf.reshape(tf.sum(x, axes), shape);
}
