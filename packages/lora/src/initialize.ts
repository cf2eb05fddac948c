import { type Generator, type Initializer, kaimingUniform, normal, qr, svd, uniform, values, zeros } from '@peft/core';
import type { InitLoraWeights } from './config';

/** What A, B and the base weight start as. */
export interface LoraStart {
  A: Initializer;
  B: Initializer;
  /** What is taken off the base weight, in the layout in which it was read: s·B·A, so that the model computes what it did before. */
  subtract?: Float32Array;
}

export interface LoraShape {
  inFeatures: number;
  outFeatures: number;
  r: number;
  scaling: number;
}

/**
 * How A [r, in] and B [out, r] of a linear layer start.
 * @param weight reads the base weight [out, in], row-major; only "pissa" and "olora" ask for it
 */
export function loraStart(init: InitLoraWeights, shape: LoraShape, weight: () => ArrayLike<number>): LoraStart {
  const { inFeatures, outFeatures, r, scaling } = shape;
  if (init === true) return { A: kaimingUniform, B: zeros };
  if (init === false) return { A: kaimingUniform, B: uniform(-1 / Math.sqrt(r), 1 / Math.sqrt(r)) };
  if (init === 'gaussian') return { A: normal(0, 1 / r), B: zeros };
  if (init === 'orthogonal') return orthogonal(shape);
  const W = Float64Array.from(weight());
  if (init === 'olora') {
    const { q, r: R } = qr(W, outFeatures, inFeatures);
    const k = Math.min(outFeatures, inFeatures);
    return reduced(
      shape,
      (i, c) => R[i * inFeatures + c] as number,
      (o, i) => q[o * k + i] as number,
    );
  }
  // PiSSA (https://arxiv.org/abs/2404.02948): A and B hold the largest singular directions. The randomised form, pissa_niter_N,
  // approaches the same; the exact decomposition needs no random numbers, so a reload finds the same base.
  const { u, s, vt } = svd(W, outFeatures, inFeatures);
  const k = s.length;
  const root = (i: number) => Math.sqrt((s[i] as number) / scaling);
  return reduced(
    shape,
    (i, c) => root(i) * (vt[i * inFeatures + c] as number),
    (o, i) => root(i) * (u[o * k + i] as number),
  );
}

function reduced(
  { inFeatures, outFeatures, r, scaling }: LoraShape,
  a: (i: number, c: number) => number,
  b: (o: number, i: number) => number,
): LoraStart {
  if (r > Math.min(inFeatures, outFeatures))
    throw new Error(
      `r ${r} is more than a ${outFeatures}×${inFeatures} weight has directions: choose at most ${Math.min(inFeatures, outFeatures)}`,
    );
  const A = Float32Array.from({ length: r * inFeatures }, (_, at) => a(Math.floor(at / inFeatures), at % inFeatures));
  const B = Float32Array.from({ length: outFeatures * r }, (_, at) => b(Math.floor(at / r), at % r));
  const subtract = new Float32Array(outFeatures * inFeatures);
  for (let o = 0; o < outFeatures; o++)
    for (let c = 0; c < inFeatures; c++) {
      let sum = 0;
      for (let i = 0; i < r; i++) sum += (B[o * r + i] as number) * (A[i * inFeatures + c] as number);
      subtract[o * inFeatures + c] = scaling * sum;
    }
  return { A: values(A), B: values(B), subtract };
}

/** A and B in orthogonal halves of one basis, so that B·A is zero though neither is. */
function orthogonal({ inFeatures, outFeatures, r }: LoraShape): LoraStart {
  if (r % 2 !== 0) throw new Error(`init_lora_weights "orthogonal" needs an even r, not ${r}`);
  // Both initialisers must use one basis: drawn when the first of them runs.
  let basis: Float64Array | undefined;
  const basisOf = (random: Generator) => (basis ??= qr(Float64Array.from(random.normal(r * r)), r, r).q);
  const half = r / 2;
  const mixed = (rows: number, offset: number, random: Generator): Float64Array => {
    const Q = basisOf(random);
    const X = random.normal(rows * half);
    const out = new Float64Array(rows * r);
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < r; i++) {
        let sum = 0;
        for (let h = 0; h < half; h++) sum += (X[row * half + h] as number) * (Q[(2 * h + offset) * r + i] as number);
        out[row * r + i] = sum / 10;
      }
    return out;
  };
  return {
    A: (_, random) => {
      const columns = mixed(inFeatures, 0, random);
      return Float32Array.from(
        { length: r * inFeatures },
        (_value, at) => columns[(at % inFeatures) * r + Math.floor(at / inFeatures)] as number,
      );
    },
    B: (_, random) => Float32Array.from(mixed(outFeatures, 1, random)),
  };
}
