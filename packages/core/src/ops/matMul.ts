import * as tf from '@tensorflow/tfjs-core';
import { engineForms } from './engineForms';

/**
 * A matrix product, batched over equal leading dimensions, that keeps each engine on its fast path.
 *
 * The wasm kernel is 13 times slower with its transpose flags or with a batch, so there the transpose is made first and a
 * batch is taken apart. Not differentiable: it is what operations with gradients of their own are built from.
 */
export function matMul<T extends tf.Tensor>(a: T, b: T, transposeA = false, transposeB = false): T {
  const form = engineForms().matMul;
  if (form && sameLeading(a, b)) return form(a, b, transposeA, transposeB) as T;
  if (tf.getBackend() !== 'wasm') return tf.matMul(a, b, transposeA, transposeB) as T;
  const [rows, inner] = transposeA ? (lastTwo(a).reverse() as [number, number]) : lastTwo(a);
  const columns = lastTwo(b)[transposeB ? 0 : 1];
  const count = a.size / (rows * inner);
  // Taking a batch apart costs about 40 µs a matrix: smaller products are not worth it.
  if (count > 1 && (b.size !== count * inner * columns || rows * inner * columns < 30_000))
    return tf.matMul(a, b, transposeA, transposeB) as T;
  return tf.tidy(() => {
    const left = transposeA ? swapLast(a) : a;
    const right = transposeB ? swapLast(b) : b;
    return count > 1 ? batched(left, right, count, rows, inner, columns) : (tf.matMul(left, right) as T);
  });
}

const sameLeading = (a: tf.Tensor, b: tf.Tensor) => a.rank === b.rank && a.shape.slice(0, -2).every((n, i) => n === b.shape[i]);

const lastTwo = (x: tf.Tensor) => x.shape.slice(-2) as [number, number];

function batched<T extends tf.Tensor>(left: T, right: T, count: number, rows: number, inner: number, columns: number): T {
  // tf.slice would copy the whole tensor for each of its parts.
  const [leftData, rightData] = [left.dataSync(), right.dataSync()];
  const products = Array.from({ length: count }, (_, i) =>
    tf.tidy(() =>
      tf.matMul(
        tf.tensor2d(leftData.subarray(i * rows * inner, (i + 1) * rows * inner) as Float32Array, [rows, inner]),
        tf.tensor2d(rightData.subarray(i * inner * columns, (i + 1) * inner * columns) as Float32Array, [inner, columns]),
      ),
    ),
  );
  return tf.reshape(tf.concat(products, 0), [...left.shape.slice(0, -1), columns]) as T;
}

function swapLast<T extends tf.Tensor>(x: T): T {
  const order = x.shape.map((_, i) => i);
  const last = order.length - 1;
  return tf.transpose(x, [...order.slice(0, -2), last, last - 1]) as T;
}
