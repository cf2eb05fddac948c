import * as tf from '@tensorflow/tfjs-core';

/** In a mixed batch, the name of the base model without an adapter. */
export const BASE = '__base__';

/**
 * Computes each sample of a batch with its own adapter.
 *
 * The leading dimension of `x` is B or B·T; `rows` names the adapter of each of the B samples. `compute` is called once an
 * adapter with that adapter's samples and must keep the leading dimension. For inference: no gradient flows through it.
 */
export function computeByRows<In extends tf.Tensor, Out extends tf.Tensor>(x: In, rows: readonly string[], compute: (x: In, adapter: string) => Out): Out {
  const names = [...new Set(rows)];
  if (names.length === 1) return compute(x, names[0] as string);
  const count = x.shape[0] as number;
  const each = count / rows.length;
  if (!Number.isInteger(each)) throw new Error(`adapter_names has ${rows.length} entries, which do not divide ${count} rows of activations`);
  return tf.tidy(() => {
    const order: number[] = [];
    const parts = names.map((name) => {
      const own = rows.flatMap((row, i) => (row === name ? Array.from({ length: each }, (_, t) => i * each + t) : []));
      order.push(...own);
      return compute(tf.gather(x, tf.tensor1d(own, 'int32')), name);
    });
    const inverse = new Int32Array(count);
    order.forEach((row, at) => {
      inverse[row] = at;
    });
    return tf.gather(tf.concat(parts as tf.Tensor[], 0), tf.tensor1d(inverse, 'int32')) as Out;
  });
}
