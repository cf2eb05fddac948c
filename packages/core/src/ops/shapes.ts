import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable';
import { inferenceForms } from './engineForms';
import { scatterRows } from './scatterRows';

/** The same values in another shape. */
export function reshape<T extends tf.Tensor>(x: tf.Tensor, shape: number[]): T {
  const from = x.shape;
  return differentiable<{ x: tf.Tensor }, T>(
    { x },
    { forward: () => tf.reshape(x, shape) as T, backward: (dy) => ({ x: () => tf.reshape(dy, from) }) },
  );
}

/** The dimensions in another order, or reversed. */
export function transpose<T extends tf.Tensor>(x: T, perm?: number[]): T {
  const order = perm ?? x.shape.map((_, i) => x.rank - 1 - i);
  const inverse = order.map((_, i) => order.indexOf(i));
  return differentiable<{ x: tf.Tensor }, T>(
    { x },
    { forward: () => tf.transpose(x, order), backward: (dy) => ({ x: () => tf.transpose(dy, inverse) }) },
  );
}

/** Tensors one after the other along an axis. */
export function concat<T extends tf.Tensor>(xs: T[], axis: number): T {
  const [first] = xs;
  if (!first) throw new Error('concat needs at least one tensor, there is none');
  if (xs.length === 1) return first;
  const dimension = axis < 0 ? axis + first.rank : axis;
  const shapes = xs.map((x) => x.shape);
  const inputs = Object.fromEntries(xs.entries());
  return differentiable(inputs, {
    forward: () => tf.concat(xs, dimension),
    backward: (dy) => {
      let start = 0;
      return Object.fromEntries(
        shapes.map((shape, i) => {
          const begin = shape.map((_, d) => (d === dimension ? start : 0));
          start += shape[dimension] as number;
          return [i, () => tf.slice(dy, begin, shape)];
        }),
      );
    },
  });
}

/** The block of `size` that starts at `begin`; a size of -1 runs to the end. */
export function slice<T extends tf.Tensor>(x: T, begin: number[], size: number[]): T {
  const sizes = x.shape.map((n, i) => (size[i] === undefined || size[i] === -1 ? n - (begin[i] ?? 0) : size[i]));
  const paddings = x.shape.map((n, i): [number, number] => [begin[i] ?? 0, n - (begin[i] ?? 0) - (sizes[i] as number)]);
  const starts = paddings.map(([start]) => start);
  const { slice: form } = inferenceForms();
  if (form) return form(x, starts, sizes as number[]) as T;
  return differentiable<{ x: tf.Tensor }, T>(
    { x },
    { forward: () => tf.slice(x, starts, sizes), backward: (dy) => ({ x: () => tf.pad(dy, paddings) }) },
  );
}

/**
 * Columns of given counts, side by side in x.
 * @param x [N, C]
 * @param widths they add up to C
 */
export function split(x: tf.Tensor2D, widths: readonly number[]): tf.Tensor2D[] {
  const starts = widths.map((_, i) => widths.slice(0, i).reduce((sum, width) => sum + width, 0));
  const parts = (part: (start: number, width: number) => tf.Tensor2D) => widths.map((width, i) => part(starts[i] as number, width));
  if (inferenceForms().slice) return parts((start, width) => slice(x, [0, start], [-1, width]));
  return differentiable<{ x: tf.Tensor }, tf.Tensor2D[]>(
    { x },
    {
      forward: () => parts((start, width) => tf.slice(x, [0, start], [-1, width])),
      backward: (dys) => ({ x: () => tf.concat(dys, 1) }),
    },
  );
}

/**
 * The rows with given numbers, in their order; a row may come several times.
 * @param x [N, C]
 * @param rows M row numbers
 * @returns [M, C]
 */
export function gatherRows(x: tf.Tensor2D, rows: Int32Array | number[]): tf.Tensor2D {
  const count = x.shape[0];
  const indices = Int32Array.from(rows);
  return differentiable(
    { x: x as tf.Tensor },
    {
      forward: () => tf.gather(x, tf.tensor1d(indices, 'int32')),
      backward: (dy) => ({ x: () => scatterRows(dy as tf.Tensor2D, indices, count) }),
    },
  ) as tf.Tensor2D;
}

/** The sum of all elements. */
export function sum(x: tf.Tensor): tf.Scalar {
  return total(x, 1);
}

/** The mean of all elements. */
export function mean(x: tf.Tensor): tf.Scalar {
  return total(x, 1 / x.size);
}

/**
 * The mean of each group of rows that follow one another.
 * @param x [groups·T, C]
 * @returns [groups, C]
 */
export function meanRows(x: tf.Tensor2D, groups: number): tf.Tensor2D {
  const [count, width] = x.shape;
  const each = count / groups;
  return differentiable<{ x: tf.Tensor }, tf.Tensor2D>(
    { x },
    {
      forward: () => tf.mean(tf.reshape(x, [groups, each, width]), 1) as tf.Tensor2D,
      backward: (dy) => ({ x: () => tf.reshape(tf.tile(tf.div(tf.reshape(dy, [groups, 1, width]), each), [1, each, 1]), [count, width]) }),
    },
  );
}

function total(x: tf.Tensor, factor: number): tf.Scalar {
  const { shape } = x;
  return differentiable<{ x: tf.Tensor }, tf.Scalar>(
    { x },
    {
      forward: () => (factor === 1 ? tf.sum(x) : tf.mul(tf.sum(x), factor)) as tf.Scalar,
      backward: (dy) => ({ x: () => tf.mul(tf.fill(shape, factor), dy) }),
    },
  );
}
