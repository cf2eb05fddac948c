import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable';
import { dropoutMask } from './dropout';
import { inferenceForms, onceDifferentiable } from './engineForms';
import { matMul } from './matMul';

/** How the rows of flat activations [N, C] stand in a batch: N = B·T or, of a padded batch, only the positions in `rows`. */
export interface BatchLayout {
  batch: number; // B
  length: number; // T
  /** Ascending numbers among the B·T positions. @default all */
  rows?: Int32Array | undefined;
}

export interface AttentionOptions {
  /** [B, H, T, D] */
  query: tf.Tensor4D;
  /** [B, Hkv, S, D]; head h of the query reads head ⌊h·Hkv / H⌋. */
  key: tf.Tensor4D;
  /** [B, Hkv, S, D] */
  value: tf.Tensor4D;
  /** What scores are multiplied with, as a rule 1/√D. */
  scale: number;
  /** Added to the scores: [B or 1, H or 1, T or 1, S]; finite, no gradient. */
  mask?: tf.Tensor | undefined;
  /** Added to the scores, with a gradient: [B or 1, H, T, S]. */
  bias?: tf.Tensor | undefined;
  /** Scores become softcap·tanh(scores / softcap), before bias and mask. */
  softcap?: number | undefined;
  /** The rate at which probabilities are dropped while `training`. @default 0 */
  dropout?: number | undefined;
  training?: boolean | undefined;
  /** The positions of the query whose outputs are wanted, ascending numbers among B·T. @default all */
  rows?: Int32Array | undefined;
}

/**
 * softmax(query·keyᵀ·scale + bias + mask)·value as one operation; keys shared by several heads are not repeated.
 * @returns [B·T, H·D], or [N, H·D] for N `rows`
 */
export function attention(options: AttentionOptions): tf.Tensor2D {
  const { query, key, value, scale, mask, bias, softcap, dropout = 0, training = false, rows: kept } = options;
  const [B, H, T, D] = query.shape;
  const [, shared, S] = key.shape;
  const valueSize = value.shape[3];
  const groups = H / shared;
  if (!Number.isInteger(groups))
    throw new Error(`${H} heads of the query cannot share ${shared} heads of the key: one must be a multiple of the other`);
  // Heads that share a key are neighbours, so their queries are rows of one matrix.
  const rows = [B * shared, groups * T];
  const flat = (t: tf.Tensor, inner: number) => tf.reshape(t, [B * shared, -1, inner]) as tf.Tensor3D;
  const scoreShape: [number, number, number, number] = [B, H, T, S];
  const merge = (t: tf.Tensor3D) => mergeRows(tf.reshape(t, [B, H, T, valueSize]), kept); // [N, H·D]
  const form = inferenceForms().attention;
  if (form && !(training && dropout > 0)) {
    const biases = [bias, mask].filter((t) => t !== undefined);
    return tf.tidy(() => pickRows(form({ query, key, value, scale, softcap, biases }), kept));
  }
  const layout: BatchLayout = { batch: B, length: T, rows: kept };
  const dropping = training && dropout > 0;
  const { softmax, softmaxGradient } = onceDifferentiable();
  // An engine with a softmax of its own also scales the scores there; else the queries are scaled, which are smaller.
  const late = softmax && softmaxGradient && softcap === undefined && !bias ? scale : 1;
  const early = scale / late;
  const scaled = <T extends tf.Tensor>(t: T): T => (early === 1 ? t : tf.mul(t, early));
  // What the output says on the way back, short rows of probabilities say as quickly.
  const keepsOutput = !softmaxGradient && S > 2 * D;

  const inputs: Record<string, tf.Tensor> = { query, key, value };
  if (bias) inputs.bias = bias;
  return differentiable<Record<string, tf.Tensor>, tf.Tensor2D>(inputs, {
    forward: (save) => {
      let scores = tf.reshape(matMul(scaled(flat(query, D)), flat(key, D), false, true), scoreShape) as tf.Tensor4D; // [B, H, T, S]
      let capped: tf.Tensor | undefined;
      if (softcap !== undefined) {
        capped = tf.tanh(tf.div(scores, softcap));
        scores = tf.mul(capped, softcap) as tf.Tensor4D;
      }
      if (bias) scores = tf.add(scores, bias) as tf.Tensor4D;
      const shares = softmax ? softmax(scores, mask, late) : tf.softmax(mask ? tf.add(scores, mask) : scores);
      const probabilities = flat(shares, S); // [B·Hkv, G·T, S]
      const drop = dropping ? (dropoutMask([...rows, S], dropout) as tf.Tensor3D) : undefined;
      const out = merge(matMul(drop ? tf.mul(probabilities, drop) : probabilities, flat(value, valueSize))); // [B·T, H·D]
      save([query, key, value, probabilities, ...(keepsOutput ? [out] : []), ...(drop ? [drop] : []), ...(capped ? [capped] : [])]);
      return out;
    },
    backward: (dy, saved) => {
      const [q, k, v, probabilities, ...others] = saved as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D, tf.Tensor3D, ...tf.Tensor[]];
      const out = keepsOutput ? (others.shift() as tf.Tensor2D) : undefined;
      const drop = dropping ? (others.shift() as tf.Tensor3D) : undefined;
      const capped = others.shift();
      const separate = (t: tf.Tensor2D) => flat(splitRows(t, layout, H), valueSize); // [B·Hkv, G·T, D]
      const d = tf.tidy(() => separate(dy));
      // The gradient of the scores before and after the cap, shared by what lies behind them.
      const [dCapped, dScores] = tf.tidy((): [tf.Tensor3D, tf.Tensor3D] => {
        const dropped = matMul(d, flat(v, valueSize), false, true); // [B·Hkv, G·T, S]
        const dProbabilities = (drop ? tf.mul(dropped, drop) : dropped) as tf.Tensor3D;
        const after = softmaxGradient
          ? softmaxGradient(dProbabilities, probabilities, late)
          : gradientOfSoftmax(dProbabilities, probabilities, out && tf.sum(tf.mul(d, separate(out)), 2, true));
        return [after, capped ? tf.mul(after, flat(tf.sub(1, tf.square(capped)), S)) : after];
      });
      return {
        query: () => tf.reshape(scaled(matMul(dScores, flat(k, D))), q.shape),
        key: () => tf.reshape(matMul(dScores, scaled(flat(q, D)), true), k.shape),
        value: () => tf.reshape(matMul(drop ? tf.mul(probabilities, drop) : probabilities, d, true), v.shape),
        bias: () => {
          const gradient = tf.reshape(dCapped, scoreShape);
          return bias?.shape[0] === B ? gradient : tf.sum(gradient, 0, true);
        },
      };
    },
  });
}

/**
 * What softmax makes of the gradient dP of its values P, P·(dP - Σ P·dP).
 * @param inner Σ P·dP of each row, where it is known: it is also the inner product of the output row and its gradient, a sum of D
 * terms instead of S
 */
const gradientOfSoftmax = <T extends tf.Tensor>(dP: T, P: T, inner: tf.Tensor = tf.sum(tf.mul(P, dP), -1, true)): T =>
  tf.mul(P, tf.sub(dP, inner));

/**
 * The heads of flat activations; positions that are left out become zeros.
 * @param x [N, H·D]
 * @param layout how the rows stand in the batch, or B where all positions are there
 * @returns [B, H, T, D]
 */
export function splitHeads(x: tf.Tensor2D, layout: number | BatchLayout, heads: number): tf.Tensor4D {
  const { batch, length, rows } = typeof layout === 'number' ? { batch: layout, length: x.shape[0] / layout, rows: undefined } : layout;
  const form = rows ? undefined : inferenceForms().splitHeads;
  if (form) return form(x, batch, heads);
  return differentiable(
    { x: x as tf.Tensor },
    {
      forward: () => splitRows(x, { batch, length, rows }, heads) as tf.Tensor,
      backward: (dy) => ({ x: () => mergeRows(dy as tf.Tensor4D, rows) }),
    },
  ) as tf.Tensor4D;
}

/**
 * Undoes `splitHeads`.
 * @param x [B, H, T, D]
 * @returns [B·T, H·D]
 */
export function mergeHeads(x: tf.Tensor4D): tf.Tensor2D {
  const [batch, heads, length] = x.shape;
  return differentiable(
    { x: x as tf.Tensor },
    {
      forward: () => mergeRows(x) as tf.Tensor,
      backward: (dy) => ({ x: () => splitRows(dy as tf.Tensor2D, { batch, length }, heads) }),
    },
  ) as tf.Tensor2D;
}

/**
 * Activations of all positions; those that are left out become zeros.
 * @param x [N, C]
 * @returns [B·T, C]
 */
export function spreadRows(x: tf.Tensor2D, layout: BatchLayout): tf.Tensor2D {
  const { rows } = layout;
  if (!rows) return x;
  return differentiable(
    { x: x as tf.Tensor },
    {
      forward: () => allRows(x, layout) as tf.Tensor,
      backward: (dy) => ({ x: () => tf.gather(dy, tf.tensor1d(rows, 'int32')) }),
    },
  ) as tf.Tensor2D;
}

const allRows = (x: tf.Tensor2D, { batch, length, rows }: BatchLayout): tf.Tensor2D =>
  rows ? tf.scatterND(tf.tensor2d(rows, [rows.length, 1], 'int32'), x, [batch * length, x.shape[1]]) : x;

function splitRows(x: tf.Tensor2D, layout: BatchLayout, heads: number): tf.Tensor4D {
  const { batch, length } = layout;
  return tf.transpose(tf.reshape(allRows(x, layout), [batch, length, heads, x.shape[1] / heads]), [0, 2, 1, 3]); // [B, H, T, D]
}

function mergeRows(x: tf.Tensor4D, rows?: Int32Array): tf.Tensor2D {
  const [batch, heads, positions, size] = x.shape;
  const all = tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch * positions, heads * size]) as tf.Tensor2D; // [B·T, H·D]
  return pickRows(all, rows);
}

const pickRows = (x: tf.Tensor2D, rows?: Int32Array): tf.Tensor2D => (rows ? tf.gather(x, tf.tensor1d(rows, 'int32')) : x);
