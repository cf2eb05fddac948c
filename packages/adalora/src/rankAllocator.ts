import type { Parameter } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { AdaLoraConfig } from './config';

/** A matrix whose rank is cut, and its parameters' names among the gradients. */
export interface Matrix {
  /** The name of its singular values in `rank_pattern`. */
  readonly name: string;
  readonly lora_A: Parameter; // [r, in]
  readonly lora_B: Parameter; // [out, r]
  readonly lora_E: Parameter; // [r, 1]
  /** Which of the first init_r singular values the r that are here are. */
  readonly kept: readonly number[];
}

/** How much a parameter's values matter: moving averages of |value · gradient| and of how unsteady that is. */
export interface Importance {
  exp_avg_ipt: Float32Array;
  exp_avg_unc: Float32Array;
}

export interface RankAllocator {
  /** By matrix name and part, e.g. `….q_proj.lora_E`. */
  readonly importances: Map<string, Importance>;
  /**
   * Measures importances, and cuts where the schedule says so; writes `rank_pattern` into the config.
   * @returns how many singular values there may be, or nothing once the ranks are final
   */
  update(step: number, gradientOf: (name: string) => tf.Tensor | undefined): number | undefined;
}

export const PARTS = ['lora_A', 'lora_B', 'lora_E'] as const;
export const partName = (matrix: Pick<Matrix, 'name'>, part: (typeof PARTS)[number]) => matrix.name.replace(/lora_E$/, part);

/** AdaLoRA's schedule over the matrices of one adapter. */
export function rankAllocator(config: AdaLoraConfig, matrices: () => readonly Matrix[]): RankAllocator {
  const importances = new Map<string, Importance>();
  return {
    importances,
    update(step, gradientOf) {
      if (!Number.isSafeInteger(step) || step < 0) throw new Error(`a training step is a whole number, not ${step}`);
      const final = (config.total_step as number) - config.tfinal;
      const all = matrices();
      if (step < final) {
        measure(all, importances, gradientOf, config);
        const budget = budgetAt(step, all.length, config);
        if (step > config.tinit && step % config.deltaT === 0) config.rank_pattern = choose(all, importances, budget, config);
        else return budget;
        cut(all, config.rank_pattern);
        return budget;
      }
      // The last cut; from then on what was cut stays cut.
      if (step === final && importances.size > 0) config.rank_pattern = choose(all, importances, config.target_r * all.length, config);
      if (step === final) importances.clear();
      if (config.rank_pattern) cut(all, config.rank_pattern);
      return undefined;
    },
  };
}

/** From init_r a matrix down to target_r, slower and slower. */
function budgetAt(step: number, count: number, { init_r, target_r, tinit, tfinal, total_step }: AdaLoraConfig): number {
  if (step <= tinit) return init_r * count;
  const left = 1 - (step - tinit) / ((total_step as number) - tfinal - tinit);
  return Math.trunc((init_r - target_r) * count * left ** 3 + target_r * count);
}

/** Errors: parameters without a gradient, all at once. */
function measure(
  matrices: readonly Matrix[],
  importances: Map<string, Importance>,
  gradientOf: (name: string) => tf.Tensor | undefined,
  { beta1, beta2 }: AdaLoraConfig,
): void {
  const parts = matrices.flatMap((matrix) => PARTS.map((part) => ({ name: partName(matrix, part), parameter: matrix[part] })));
  const filled = parts.filter(({ parameter }) => parameter.size > 0);
  const missing = filled.filter(({ name }) => !gradientOf(name)).map(({ name }) => name);
  if (missing.length > 0)
    throw new Error(
      `there are no gradients of ${missing.join(', ')}: give the optimizer's gradients after a backward pass and before zeroGrad()`,
    );
  for (const { name, parameter } of filled) {
    const values = parameter.value.dataSync<'float32'>();
    const gradient = (gradientOf(name) as tf.Tensor).dataSync<'float32'>();
    let importance = importances.get(name);
    if (!importance) {
      importance = { exp_avg_ipt: new Float32Array(parameter.size), exp_avg_unc: new Float32Array(parameter.size) };
      importances.set(name, importance);
    }
    const { exp_avg_ipt: average, exp_avg_unc: unsteadiness } = importance;
    for (let i = 0; i < average.length; i++) {
      const now = Math.abs((values[i] as number) * (gradient[i] as number));
      average[i] = beta1 * (average[i] as number) + (1 - beta1) * now;
      unsteadiness[i] = beta2 * (unsteadiness[i] as number) + (1 - beta2) * Math.abs(now - (average[i] as number));
    }
  }
}

/** Which singular values stay: all but the least important, so that `budget` are left; what ties with the last one cut is cut, too. */
function choose(
  matrices: readonly Matrix[],
  importances: ReadonlyMap<string, Importance>,
  budget: number,
  { init_r }: AdaLoraConfig,
): Record<string, boolean[]> {
  const scores = matrices.map((matrix) => scoresOf(matrix, importances));
  const sorted = Float64Array.from(scores.flatMap((one) => [...one])).sort();
  // What a loaded adapter lacks was cut before.
  const lacking = init_r * matrices.length - sorted.length;
  const count = Math.min(init_r * matrices.length - budget - lacking, sorted.length);
  const threshold = count > 0 ? (sorted[count - 1] as number) : Number.NEGATIVE_INFINITY;
  return Object.fromEntries(
    matrices.map(({ name, kept }, m) => {
      const mask = Array.from({ length: init_r }, () => false);
      for (const [i, position] of kept.entries()) mask[position] = (scores[m]?.[i] as number) > threshold;
      return [name, mask];
    }),
  );
}

/** Of a singular value its own importance, and the mean ones of its right and its left vector. */
function scoresOf(matrix: Matrix, importances: ReadonlyMap<string, Importance>): Float64Array {
  const rank = matrix.kept.length;
  const scores = new Float64Array(rank);
  for (const part of PARTS) {
    const { exp_avg_ipt = [], exp_avg_unc = [] } = importances.get(partName(matrix, part)) ?? {};
    const each = exp_avg_ipt.length / rank;
    for (let i = 0; i < exp_avg_ipt.length; i++) {
      const vector = part === 'lora_B' ? i % rank : Math.floor(i / each);
      (scores[vector] as number) += ((exp_avg_ipt[i] as number) * (exp_avg_unc[i] as number)) / each;
    }
  }
  return scores;
}

/** Sets the singular values that do not stay to zero. */
function cut(matrices: readonly Matrix[], pattern: Readonly<Record<string, readonly boolean[]>>): void {
  for (const { name, lora_E, kept } of matrices) {
    const mask = pattern[name];
    if (!mask || kept.every((position) => mask[position])) continue;
    const values = lora_E.value.dataSync<'float32'>();
    lora_E.set(values.map((value, i) => (mask[kept[i] as number] ? value : 0)));
  }
}
