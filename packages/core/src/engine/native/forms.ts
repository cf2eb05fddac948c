import type * as tf from '@tensorflow/tfjs-core';
import type { AttentionInputs, EngineForms } from '../../ops/engineForms';
import { type Handle, type NativeKernels, type NodeBackend, nativeKernels } from './kernels';

/** What TensorFlow's library computes in forms of its own. */
export function nativeForms(backend: NodeBackend): EngineForms {
  const k = nativeKernels(backend);
  const { compute, number, of } = k;
  const pointwise = (f: (x: Handle) => Handle) => (x: tf.Tensor) => compute(() => f(of(x)));
  const silu = (x: Handle) => k.mul(x, k.sigmoid(x));
  return {
    // A product of two matrices has a kernel of its own, faster than that of batches: half the time where a matrix has few rows.
    matMul: (a, b, transposeA, transposeB) =>
      compute(() => (a.rank === 2 ? k.matMul : k.batchMatMul)(of(a), of(b), transposeA, transposeB)),
    affine: (x, weight, bias, transposed) =>
      compute(() => {
        const product = k.matMul(of(x), of(weight), false, transposed);
        return bias ? k.add(product, of(bias)) : product;
      }),
    lowRank: (base, x, A, B, scaling) =>
      compute(() => {
        const thin = k.matMul(of(x), of(A), false, true);
        return k.add(of(base), k.matMul(scaling === 1 ? thin : k.mul(thin, number(scaling)), of(B), false, true));
      }),
    norm: (x, weight, bias, eps, centred) =>
      compute(() => {
        const shifted = centred ? k.sub(of(x), k.rowMeans(of(x))) : of(x);
        const inverse = k.rsqrt(k.add(k.rowMeans(k.square(shifted)), number(eps)));
        const scaled = k.mul(k.mul(shifted, inverse), of(weight));
        return bias ? k.add(scaled, of(bias)) : scaled;
      }),
    rotary: (x, cos, sin, heads) =>
      compute(() => {
        const [count, width] = x.shape;
        const size = width / heads;
        // One row's cosines are those of all its heads.
        const split = count === 1 ? [heads, size] : [count, heads, size];
        const perHead = (t: tf.Tensor2D) => (count === 1 ? of(t) : k.reshape(of(t), [count, 1, size]));
        const parts = k.reshape(of(x), split);
        const turned = k.roll(parts, size / 2, split.length - 1);
        return k.reshape(k.add(k.mul(parts, perHead(cos)), k.mul(turned, perHead(sin))), x.shape);
      }),
    splitHeads: (x, batch, heads) =>
      compute(() => {
        const [count, width] = x.shape;
        const [length, size] = [count / batch, width / heads];
        if (length === 1) return k.reshape(of(x), [batch, heads, 1, size]);
        return k.transpose(k.reshape(of(x), [batch, length, heads, size]), [0, 2, 1, 3]);
      }),
    attention: (inputs) => compute(() => attention(k, inputs)),
    writePositions: (cache, x, start) => {
      const [B, H, S, D] = cache.shape;
      const T = x.shape[2];
      const rows = Array.from({ length: B * H * T }, (_, i) => Math.floor(i / T) * S + start + (i % T));
      const written = compute(() => k.writeRows(k.reshape(of(cache), [B * H * S, D]), rows, k.reshape(of(x), [B * H * T, D])));
      // It shares the cache's memory: what was written is there.
      written.dispose();
      return cache;
    },
    gelu: pointwise((x) => k.mul(k.mul(x, number(0.5)), k.add(k.erf(k.mul(x, number(Math.SQRT1_2))), number(1)))),
    geluTanh: pointwise((x) => {
      const inner = 2 * Math.sqrt(2 / Math.PI);
      return k.mul(x, k.sigmoid(k.mul(x, k.add(k.mul(k.square(x), number(inner * 0.044715)), number(inner)))));
    }),
    silu: pointwise(silu),
    swiglu: (gate, up) => compute(() => k.mul(silu(of(gate)), of(up))),
  };
}

function attention(k: NativeKernels, { query, key, value, scale, softcap, biases }: AttentionInputs): Handle {
  const [B, H, T, D] = query.shape;
  const [, shared, S] = key.shape;
  const valueSize = value.shape[3];
  const grouped = shared !== H;
  const scaled = k.mul(k.of(query), k.number(scale));
  // Heads that share a key are neighbours, so their queries are rows of one matrix.
  let scores = k.batchMatMul(grouped ? k.reshape(scaled, [B, shared, (H / shared) * T, D]) : scaled, k.of(key), false, true);
  if (softcap !== undefined) scores = k.mul(k.tanh(k.mul(scores, k.number(1 / softcap))), k.number(softcap));
  if (biases.length > 0) {
    if (grouped) scores = k.reshape(scores, [B, H, T, S]);
    for (const bias of biases) scores = k.add(scores, k.of(bias));
    if (grouped) scores = k.reshape(scores, [B, shared, (H / shared) * T, S]);
  }
  const out = k.batchMatMul(k.softmax(scores), k.of(value));
  if (T === 1) return k.reshape(out, [B, H * valueSize]);
  return k.reshape(k.transpose(k.reshape(out, [B, H, T, valueSize]), [0, 2, 1, 3]), [B * T, H * valueSize]);
}
