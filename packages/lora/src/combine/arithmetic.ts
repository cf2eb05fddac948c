import { defaultGenerator, warn } from '@peft/core';

/** How sources are thinned out and added up. */
export interface Mixing {
  /** What happens to each source first: nothing, small values go, or random ones. */
  prune: 'none' | 'magnitude' | 'random';
  /** Whether values whose sign disagrees with the majority are left out (TIES). */
  elect: boolean;
}

export interface MixingOptions {
  /** The fraction of values that pruning keeps. */
  density: number;
  /** The majority's sign: of the sum of values, or of the number of positive ones. */
  majoritySign: 'total' | 'frequency';
}

/**
 * A weighted sum of arrays of equal length, pruned and elected as asked
 * (TIES: https://arxiv.org/abs/2306.01708, DARE: https://arxiv.org/abs/2311.03099).
 */
export function mix(
  sources: readonly Float32Array[],
  weights: readonly number[],
  { prune, elect }: Mixing,
  { density, majoritySign }: MixingOptions,
): Float32Array {
  const pruned = sources.map((source) =>
    prune === 'none' || density >= 1 ? source : prune === 'magnitude' ? keepLargest(source, density) : keepRandom(source, density),
  );
  const result = new Float32Array((sources[0] as Float32Array).length);
  for (let i = 0; i < result.length; i++) {
    const sign = elect ? majority(pruned, i, majoritySign) : 0;
    let sum = 0;
    let kept = 0;
    pruned.forEach((source, s) => {
      const value = source[i] as number;
      if (elect && Math.sign(value) !== sign) return;
      sum += (weights[s] as number) * value;
      kept++;
    });
    result[i] = elect ? sum / Math.max(kept, 1) : sum;
  }
  return result;
}

function majority(sources: readonly Float32Array[], i: number, method: MixingOptions['majoritySign']): number {
  // In float32, as the values are: a sum near zero decides.
  const sum = sources.reduce(
    (total, source) => Math.fround(total + (method === 'total' ? (source[i] as number) : Math.sign(source[i] as number))),
    0,
  );
  return sum >= 0 ? 1 : -1;
}

function keepLargest(source: Float32Array, density: number): Float32Array {
  const count = Math.trunc(density * source.length);
  const order = Array.from(source.keys()).sort((a, b) => Math.abs(source[b] as number) - Math.abs(source[a] as number));
  const kept = new Float32Array(source.length);
  for (const i of order.slice(0, count)) kept[i] = source[i] as number;
  return kept;
}

/** Rescaled, so that the expectation stays. */
function keepRandom(source: Float32Array, density: number): Float32Array {
  const random = defaultGenerator();
  return source.map((value) => (random.next() < density ? value / density : 0));
}

/** Errors: a density that the pruning cannot work with. */
export function checkDensity(density: number | undefined, { prune }: Mixing): number {
  if (prune === 'none') return 1;
  if (density === undefined || !Number.isFinite(density) || density < 0 || (prune === 'random' && density === 0))
    throw new Error(`this combination needs a density, the fraction of values to keep: a number above 0 and up to 1, not ${density}`);
  if (density >= 1) warn(`density ${density} keeps everything: nothing is pruned`);
  return density;
}
