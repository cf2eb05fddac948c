import { type NamedAdapter, type Parameter, svd } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { LoraConfig } from '../config';
import type { LoraAdapter, LoraLayer } from '../lora';
import { checkDensity, type Mixing, type MixingOptions, mix } from './arithmetic';
import { type LowRankPair, pairOf, readDelta, readPair } from './sources';

const MIXINGS = {
  linear: { prune: 'none', elect: false },
  ties: { prune: 'magnitude', elect: true },
  dare_linear: { prune: 'random', elect: false },
  dare_ties: { prune: 'random', elect: true },
  magnitude_prune: { prune: 'magnitude', elect: false },
  svd: { prune: 'none', elect: false },
  ties_svd: { prune: 'magnitude', elect: true },
  dare_linear_svd: { prune: 'random', elect: false },
  dare_ties_svd: { prune: 'random', elect: true },
  magnitude_prune_svd: { prune: 'magnitude', elect: false },
  cat: { prune: 'none', elect: false },
} as const satisfies Record<string, Mixing>;

export type CombinationType = keyof typeof MIXINGS;

export interface CombineOptions {
  /** How adapters become one; the `svd` forms work on the whole change of a weight, the others on A and B apart. @default "svd" */
  combination_type?: CombinationType;
  /** The rank of an `svd` result. @default the largest rank of the sources */
  svd_rank?: number;
  /** Cuts the values of an `svd` result at this quantile of theirs. @default none */
  svd_clamp?: number;
  /** The fraction of values that pruning keeps; needed by ties, dare_* and magnitude_prune. */
  density?: number;
  /** How ties elect a sign. @default "total" */
  majority_sign_method?: 'total' | 'frequency';
}

type Source = NamedAdapter<LoraConfig, LoraAdapter>;

/** One adapter out of several, weighted: `PeftModel.addWeightedAdapter` calls it. */
export function combineAdapters(
  sources: readonly Source[],
  weights: readonly number[],
  options: CombineOptions,
): { config: LoraConfig; fill(handle: LoraAdapter, name: string): void } {
  const first = sources[0] as Source;
  // One source has nothing to be combined with, so it is only weighted.
  const type: CombinationType = sources.length === 1 ? 'linear' : (options.combination_type ?? 'svd');
  const mixing = Object.hasOwn(MIXINGS, type) ? MIXINGS[type] : undefined;
  if (!mixing) throw new Error(`there is no combination_type "${type}"; there are: ${Object.keys(MIXINGS).join(', ')}`);
  if (options.majority_sign_method !== undefined && !['total', 'frequency'].includes(options.majority_sign_method))
    throw new Error(`majority_sign_method must be "total" or "frequency", not "${options.majority_sign_method}"`);
  const usesSvd = type === 'svd' || type.endsWith('_svd');
  const ranks = sources.map(({ config }) => Math.max(config.r, ...Object.values(config.rank_pattern)));
  if (!usesSvd && type !== 'cat' && new Set(ranks).size > 1)
    throw new Error(`combination_type "${type}" needs adapters of one rank, these have ${ranks.join(', ')}: use "cat" or an svd form`);
  const dora = sources.filter(({ config }) => config.use_dora);
  if (!usesSvd && dora.length > 0 && dora.length < sources.length)
    throw new Error(`combination_type "${type}" cannot mix adapters with and without DoRA: use an svd form`);
  if (sources.some(({ config }) => config.bias !== 'none' || config.trainable_token_indices !== null || config.modules_to_save?.length))
    throw new Error('adapters that train biases, single tokens or whole modules cannot be combined');
  const mixingOptions: MixingOptions = {
    density: checkDensity(options.density, mixing),
    majoritySign: options.majority_sign_method ?? 'total',
  };
  const rank = usesSvd
    ? (options.svd_rank ?? Math.max(...ranks))
    : type === 'cat'
      ? ranks.reduce((sum, r) => sum + r, 0)
      : (ranks[0] as number);

  // Scaling is part of the combined weights, so the new adapter's is 1, whatever the sources' was.
  const config: LoraConfig = {
    ...first.config,
    r: rank,
    lora_alpha: rank,
    use_rslora: false,
    rank_pattern: {},
    alpha_pattern: {},
    target_modules: unionOfTargets(sources),
    lora_bias: sources.some((source) => source.config.lora_bias),
    use_dora: !usesSvd && dora.length > 0,
    init_lora_weights: true,
  };
  const fill = (handle: LoraAdapter, name: string) => {
    for (const layer of Object.values(handle.layers)) {
      const present = sources.flatMap((source, i) => {
        const pair = readPair(layer, source.name);
        return pair ? [{ name: source.name, weight: weights[i] as number, scaling: layer.scaling[source.name] as number, pair }] : [];
      });
      if (present.length === 0) throw new Error('a layer of the combined adapter has no source');
      const mixed = usesSvd
        ? approximate(
            mix(
              present.map((source) => readDelta(layer, source.name)),
              present.map(({ weight }) => weight),
              mixing,
              mixingOptions,
            ),
            present[0]?.pair as LowRankPair,
            rank,
            options.svd_clamp,
          )
        : type === 'cat'
          ? concatenate(present)
          : mixPairs(present, mixing, mixingOptions);
      write(layer, name, mixed, rank);
      combineBiases(layer, name, present);
      if (config.use_dora) combineMagnitudes(layer, name, present);
    }
  };
  return { config, fill };
}

interface Present {
  name: string;
  weight: number;
  scaling: number;
  pair: LowRankPair;
}

/** A and B are mixed apart, each with the root of the weight, so cross terms remain; the sign stands on A alone. */
function mixPairs(present: readonly Present[], mixing: Mixing, options: MixingOptions): LowRankPair {
  const weights = present.map(({ weight, scaling }) => weight * scaling);
  const largest = present.reduce((r, { pair }) => Math.max(r, pair.r), 0);
  const padded = present.map(({ pair }) => pad(pair, largest));
  const A = mix(
    padded.map((pair) => pair.A),
    weights.map((w) => Math.sqrt(Math.abs(w)) * (w < 0 ? -1 : 1)),
    mixing,
    options,
  );
  const B = mix(
    padded.map((pair) => pair.B),
    weights.map((w) => Math.sqrt(Math.abs(w))),
    mixing,
    options,
  );
  return { ...(padded[0] as LowRankPair), A, B };
}

/** Side by side: exactly the weighted sum of the changes. */
function concatenate(present: readonly Present[]): LowRankPair {
  const { rows, columns } = (present[0] as Present).pair;
  const r = present.reduce((sum, { pair }) => sum + pair.r, 0);
  const A = new Float32Array(r * columns);
  const B = new Float32Array(rows * r);
  let at = 0;
  for (const { weight, scaling, pair } of present) {
    pair.A.forEach((value, i) => {
      A[at * columns + i] = weight * scaling * value;
    });
    for (let row = 0; row < rows; row++) B.set(pair.B.subarray(row * pair.r, (row + 1) * pair.r), row * r + at);
    at += pair.r;
  }
  return { A, B, rows, columns, r };
}

/** The best pair of a rank for a change [rows, columns]. */
function approximate(delta: Float32Array, { rows, columns }: LowRankPair, rank: number, clamp: number | undefined): LowRankPair {
  const { u, s, vt } = svd(delta, rows, columns);
  const r = Math.min(rank, s.length);
  const A = Float32Array.from({ length: r * columns }, (_, i) => vt[i] as number);
  const B = Float32Array.from({ length: rows * r }, (_, i) => (u[Math.floor(i / r) * s.length + (i % r)] as number) * (s[i % r] as number));
  if (clamp === undefined) return { A, B, rows, columns, r };
  const limit = quantile([...B, ...A], clamp);
  const cut = (value: number) => Math.min(limit, Math.max(-limit, value));
  return { A: A.map(cut), B: B.map(cut), rows, columns, r };
}

/** Linear interpolation between the values around the place, as torch.quantile does. */
function quantile(values: number[], q: number): number {
  if (!(q >= 0 && q <= 1)) throw new Error(`svd_clamp is a quantile, from 0 to 1, not ${q}`);
  const sorted = Float64Array.from(values).sort();
  const place = q * (sorted.length - 1);
  const below = sorted[Math.floor(place)] as number;
  return below + ((sorted[Math.ceil(place)] as number) - below) * (place - Math.floor(place));
}

/** The same pair with zero directions added. */
function pad(pair: LowRankPair, r: number): LowRankPair {
  if (pair.r === r) return pair;
  const A = new Float32Array(r * pair.columns);
  A.set(pair.A);
  const B = new Float32Array(pair.rows * r);
  for (let row = 0; row < pair.rows; row++) B.set(pair.B.subarray(row * pair.r, (row + 1) * pair.r), row * r);
  return { ...pair, A, B, r };
}

function write(layer: LoraLayer, name: string, mixed: LowRankPair, rank: number): void {
  const { A, B } = pairOf(layer, name) as { A: Parameter; B: Parameter };
  const padded = pad(mixed, rank);
  A.set(padded.A);
  B.set(padded.B);
}

function combineBiases(layer: LoraLayer, name: string, present: readonly Present[]): void {
  const target = pairOf(layer, name)?.bias;
  if (!target) return;
  const sum = new Float32Array(target.size);
  for (const { name: source, weight, scaling } of present)
    pairOf(layer, source)
      ?.bias?.value.dataSync()
      .forEach((value, i) => {
        (sum[i] as number) += weight * scaling * value;
      });
  target.set(sum);
}

/** A magnitude departs from the base's own by the weighted sum of the sources' departures. */
function combineMagnitudes(layer: LoraLayer, name: string, present: readonly Present[]): void {
  const target = layer.lora_magnitude_vector[name] as Parameter;
  const own = tf.tidy(() => layer.baseLengths().dataSync());
  const sum = Float32Array.from(own);
  for (const { name: source, weight } of present)
    layer.lora_magnitude_vector[source]?.value.dataSync().forEach((value, i) => {
      (sum[i] as number) += weight * (value - (own[i] as number));
    });
  target.set(sum);
}

function unionOfTargets(sources: readonly Source[]): string | string[] {
  const targets = sources.map(({ config }) => config.target_modules ?? []);
  if (targets.every((target) => Array.isArray(target))) return [...new Set(targets.flat() as string[])].sort();
  if (targets.every((target) => typeof target === 'string')) return [...new Set(targets)].map((target) => `(${target})`).join('|');
  throw new Error('adapters whose target_modules are a list cannot be combined with ones that have a regular expression');
}
