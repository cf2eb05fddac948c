import * as tf from '@tensorflow/tfjs-core';

/** In a mixed batch, the name of the base model without an adapter. */
export const BASE = '__base__';

/**
 * Computes each sample of a batch with its own adapter.
 *
 * The leading dimension of `x`, or of each tensor in it, is B or B·T; `rows` names the adapter of each of the B samples.
 * `compute` is called once an adapter with that adapter's samples and must keep the leading dimension, of several tensors the
 * first one's. For inference: no gradient flows through it.
 */
export function computeByRows<In extends tf.Tensor | readonly tf.Tensor[], Out extends tf.Tensor>(
  x: In,
  rows: readonly string[],
  compute: (x: In, adapter: string) => Out,
): Out {
  const names = [...new Set(rows)];
  if (names.length === 1) return compute(x, names[0] as string);
  const inputs: readonly tf.Tensor[] = x instanceof tf.Tensor ? [x] : x;
  /** Of a tensor's rows those of the samples that an adapter computes. */
  const ownOf = ({ shape: [count = 0] }: tf.Tensor, name: string): number[] => {
    const each = count / rows.length;
    if (!Number.isInteger(each))
      throw new Error(`adapter_names has ${rows.length} entries, which do not divide ${count} rows of activations`);
    return rows.flatMap((row, i) => (row === name ? Array.from({ length: each }, (_, t) => i * each + t) : []));
  };
  return tf.tidy(() => {
    const taken = names.map((name) => inputs.map((input) => ownOf(input, name)));
    const parts = names.map((name, i) => {
      const own = inputs.map((input, k) => tf.gather(input, tf.tensor1d(taken[i]?.[k] as number[], 'int32')));
      return compute((x instanceof tf.Tensor ? own[0] : own) as In, name);
    });
    const order = taken.flatMap(([first]) => first as number[]);
    const inverse = new Int32Array(order.length);
    order.forEach((row, at) => {
      inverse[row] = at;
    });
    return tf.gather(tf.concat(parts as tf.Tensor[], 0), tf.tensor1d(inverse, 'int32')) as Out;
  });
}
