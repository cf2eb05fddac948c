import type * as tf from '@tensorflow/tfjs-core';
import type { AttentionInputs, EngineForms } from '../../ops/engineForms';
import type { Handle } from './binding';
import { type FusedSoftmax, fusedForms, fusedSoftmax } from './fused';
import { BFLOAT16, type NativeKernels } from './kernels';
import { type Product, products, size } from './product';

/** Types of values in files, with the numbers that TensorFlow knows them by. */
const STORED: Readonly<Record<string, { type: number; width: number }>> = {
  F32: { type: 1, width: 4 },
  F16: { type: 19, width: 2 },
  BF16: { type: BFLOAT16, width: 2 },
};
const INT32_MAX = 2 ** 31 - 1;

/**
 * What TensorFlow's library computes in forms of its own.
 * @param rounds whether factors of large products are rounded to bfloat16
 * @param fused whether it has the fused kernels
 */
export function nativeForms(k: NativeKernels, rounds: boolean, threads: number, fused: boolean): Partial<EngineForms> {
  const product = products(k, rounds, threads);
  const { compute, form, number, of } = k;
  const pointwise = (name: string, f: (x: Handle) => Handle) => (x: tf.Tensor) => form<tf.Tensor>(name, [x], f);
  const silu = (x: Handle) => k.mul(x, k.sigmoid(x));
  const softmax = fused ? fusedSoftmax(k) : undefined;
  return {
    asOneGraph: k.asOneGraph,
    add: (xs) => form(`add ${xs.length}`, xs, (...all) => all.reduce(k.add)),
    slice: (x, begin, size) => form(`slice ${begin} ${size}`, [x], (all) => k.slice(all, begin, size)),
    matMul: (a, b, transposeA, transposeB) =>
      form(`matMul ${transposeA} ${transposeB}`, [a, b], (left, right) => product(left, a.shape, right, b.shape, transposeA, transposeB)),
    affine: (x, weight, bias, transposed) =>
      form(`affine ${transposed}`, bias ? [x, weight, bias] : [x, weight], (rows, matrix, shift) => {
        const y = product(rows, x.shape, matrix, weight.shape, false, transposed);
        return shift === undefined ? y : k.add(y, shift);
      }),
    lowRank: (base, x, A, B, scaling) =>
      form(`lowRank ${scaling}`, [base, x, A, B], (sum, rows, down, up) => {
        const thin = product(rows, x.shape, down, A.shape, false, true);
        const scaled = scaling === 1 ? thin : k.mul(thin, number(scaling));
        return k.add(sum, product(scaled, [x.shape[0], A.shape[0] as number], up, B.shape, false, true));
      }),
    norm: (x, weight, bias, eps, centred) =>
      form(`norm ${eps} ${centred}`, bias ? [x, weight, bias] : [x, weight], (rows, factor, shift) => {
        const shifted = centred ? k.sub(rows, k.mean(rows, [-1], true)) : rows;
        const inverse = k.rsqrt(k.add(k.mean(k.square(shifted), [-1], true), number(eps)));
        const scaled = k.mul(k.mul(shifted, inverse), factor);
        return shift === undefined ? scaled : k.add(scaled, shift);
      }),
    rotary: (x, cos, sin, heads) =>
      form(`rotary ${heads}`, [x, cos, sin], (rows, c, s) => {
        const [count, width] = x.shape;
        const size = width / heads;
        const parts = k.reshape(rows, [count, heads, 2, size / 2]);
        const swapped = k.take(parts, [1, 0], 2);
        const perPart = (t: Handle) => k.reshape(t, [count, 1, 2, size / 2]);
        return k.reshape(k.add(k.mul(parts, perPart(c)), k.mul(swapped, perPart(s))), x.shape);
      }),
    splitHeads: (x, batch, heads) =>
      form(`splitHeads ${batch} ${heads}`, [x], (rows) => {
        const [count, width] = x.shape;
        const [length, size] = [count / batch, width / heads];
        if (length === 1) return k.reshape(rows, [batch, heads, 1, size]);
        return k.transpose(k.reshape(rows, [batch, length, heads, size]), [0, 2, 1, 3]);
      }),
    attention: (inputs) => {
      const { query, key, value, scale, softcap, biases } = inputs;
      return form(`attention ${scale} ${softcap}`, [query, key, value, ...biases], (...handles) =>
        attention(k, product, softmax, inputs, handles),
      );
    },
    writePositions: (cache, x, start) => {
      const [B, H, S, D] = cache.shape;
      const T = x.shape[2];
      const rows = Array.from({ length: B * H * T }, (_, i) => Math.floor(i / T) * S + start + (i % T));
      const written = compute(() => k.writeRows(k.reshape(of(cache), [B * H * S, D]), rows, k.reshape(of(x), [B * H * T, D])));
      // It shares the cache's memory: what was written is there.
      written.dispose();
      return cache;
    },
    mapped: ({ file, start }, dtype, shape) => {
      const stored = STORED[dtype];
      const first = start / (stored?.width ?? Number.NaN);
      const count = size(shape);
      if (!stored || !Number.isInteger(first) || first + count > INT32_MAX || count === 0) return undefined;
      try {
        // What begins at a multiple of 64 bytes is used where it lies, other values are copied.
        return compute(() => {
          const values = k.slice(k.mappedFile(file, stored.type, first + count), [first], [count]);
          return k.reshape(dtype === 'F32' ? values : k.toFloat(values), shape);
        });
      } catch {
        // Whoever reads the file instead learns what is wrong with it.
        return undefined;
      }
    },
    gelu: pointwise('gelu', (x) => k.mul(k.mul(x, number(0.5)), k.add(k.erf(k.mul(x, number(Math.SQRT1_2))), number(1)))),
    geluTanh: pointwise('geluTanh', (x) => {
      const inner = 2 * Math.sqrt(2 / Math.PI);
      return k.mul(x, k.sigmoid(k.mul(x, k.add(k.mul(k.square(x), number(inner * 0.044715)), number(inner)))));
    }),
    silu: pointwise('silu', silu),
    swiglu: (gate, up) => form('swiglu', [gate, up], (g, u) => k.mul(silu(g), u)),
    ...(fused && fusedForms(k)),
  };
}

/**
 * @param softmax the fused one, where it is there
 * @param handles those of query, key, value and biases
 */
function attention(
  k: NativeKernels,
  product: Product,
  softmax: FusedSoftmax | undefined,
  { query, key, value, scale, softcap }: AttentionInputs,
  [q, keys, values, ...biases]: readonly Handle[],
): Handle {
  const [B, H, T, D] = query.shape;
  const [, shared, S] = key.shape;
  const valueSize = value.shape[3];
  const grouped = shared !== H;
  // Heads that share a key are neighbours, so their queries are rows of one matrix.
  const perKey = (width: number) => [B, shared, (H / shared) * T, width];
  // The fused softmax scales the scores; else the queries are scaled, which are smaller.
  const late = softmax && softcap === undefined;
  const scaled = late ? (q as Handle) : k.mul(q as Handle, k.number(scale));
  let scores = product(grouped ? k.reshape(scaled, perKey(D)) : scaled, perKey(D), keys as Handle, key.shape, false, true);
  if (softcap !== undefined) scores = k.mul(k.tanh(k.mul(scores, k.number(1 / softcap))), k.number(softcap));
  const mask = biases.length > 0 ? biases.reduce(k.add) : undefined;
  if (grouped && mask !== undefined) scores = k.reshape(scores, [B, H, T, S]);
  let shares: Handle;
  if (softmax) shares = softmax(scores, mask, late ? scale : 1);
  else shares = plainSoftmax(k, mask === undefined ? scores : k.add(scores, mask), T);
  if (grouped && mask !== undefined) shares = k.reshape(shares, perKey(S));
  const out = product(shares, perKey(S), values as Handle, value.shape);
  if (T === 1) return k.reshape(out, [B, H * valueSize]);
  return k.reshape(k.transpose(k.reshape(out, [B, H, T, valueSize]), [0, 2, 1, 3]), [B * T, H * valueSize]);
}

/** Softmax; of one position without TensorFlow's kernel for it, which hands even a single row to another thread. */
function plainSoftmax(k: NativeKernels, x: Handle, positions: number): Handle {
  if (positions > 1) return k.softmax(x);
  const powers = k.exp(k.sub(x, k.max(x, [-1], true)));
  return k.div(powers, k.sum(powers, [-1], true));
}
