import * as tf from '@tensorflow/tfjs-core';
import { attentionFactor, isLong, longFactors, longFrom } from './longRope';

/** How positions turn keys and queries (rotary embeddings, https://arxiv.org/abs/2104.09864). */
export interface RopeOptions {
  /** D, or the part of it that is turned. */
  dim: number;
  theta: number;
  /** `rope_scaling` or `rope_parameters` of the config. */
  scaling?: Record<string, unknown> | null;
  /** `max_position_embeddings` of the config; `longrope` needs it. */
  maxPositions?: number;
  /** What it was before the context was extended. @default maxPositions */
  originalMaxPositions?: number | undefined;
}

/** What a config says of rotary positions. */
export interface RopeConfig {
  head_dim: number;
  rope_theta: number;
  rope_scaling: Record<string, unknown> | null;
  max_position_embeddings: number;
  original_max_position_embeddings?: number;
  /** The part of each head that is turned. @default 1 */
  partial_rotary_factor?: number;
}

export function ropeOptions(config: RopeConfig): RopeOptions {
  return {
    dim: Math.trunc(config.head_dim * (config.partial_rotary_factor ?? 1)),
    theta: config.rope_theta,
    scaling: config.rope_scaling,
    maxPositions: config.max_position_embeddings,
    // transformers 5 has it among the settings of the scaling.
    originalMaxPositions:
      (config.rope_scaling?.original_max_position_embeddings as number | undefined) ?? config.original_max_position_embeddings,
  };
}

/**
 * The turning speeds of the D/2 pairs, in float32 as PyTorch computes them. Errors: a kind of scaling that is not known.
 * @param length how many positions there are: `longrope` turns long texts at other speeds @default 0
 */
export function ropeFrequencies(options: RopeOptions, length = 0): Float32Array {
  const { dim, theta, scaling } = options;
  const powers = Float32Array.from({ length: dim / 2 }, (_, i) => theta ** Math.fround((2 * i) / dim));
  const frequencies = powers.map((power) => 1 / power);
  const kind = (scaling?.rope_type ?? scaling?.type ?? 'default') as string;
  const number = (name: string, fallback?: number): number => {
    const value = scaling?.[name] ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw new Error(`rope_scaling of type "${kind}" needs a number ${name}, not ${JSON.stringify(value)}`);
    return value;
  };
  if (kind === 'default') return frequencies;
  if (kind === 'linear') {
    const factor = number('factor');
    return frequencies.map((f) => f / factor);
  }
  if (kind === 'llama3') {
    const [factor, low, high, original] = [
      number('factor'),
      number('low_freq_factor'),
      number('high_freq_factor'),
      number('original_max_position_embeddings'),
    ];
    return frequencies.map((f) => {
      const wavelength = (2 * Math.PI) / f;
      if (wavelength < original / high) return f;
      if (wavelength > original / low) return f / factor;
      const smooth = (original / wavelength - low) / (high - low);
      return ((1 - smooth) * f) / factor + smooth * f;
    });
  }
  if (isLong(options)) {
    const factors = longFactors(options, length);
    return powers.map((power, i) => 1 / Math.fround((factors[i] as number) * power));
  }
  throw new Error(`rope_scaling of type "${kind}" is not known here; default, linear, llama3 and longrope are`);
}

/** How long a text may become before keys in a cache no longer fit it: `longrope` then turns all positions at other speeds. */
export function cacheLimit(config: Readonly<Record<string, unknown>>): number {
  const options = ropeOptions(config as unknown as RopeConfig);
  return isLong(options) ? longFrom(options) : Number.POSITIVE_INFINITY;
}

/** cos and sin [N, D] for positions [N], the same for both halves of D. */
export function ropeTables(options: RopeOptions, positions: Int32Array): { cos: tf.Tensor2D; sin: tf.Tensor2D } {
  const frequencies = ropeFrequencies(options, positions.reduce((max, position) => Math.max(max, position), -1) + 1);
  const factor = attentionFactor(options);
  const half = frequencies.length;
  const shape: [number, number] = [positions.length, 2 * half];
  const cos = new Float32Array(positions.length * 2 * half);
  const sin = new Float32Array(cos.length);
  // Batches repeat positions: each is computed once.
  const seen = new Map<number, number>();
  positions.forEach((position, row) => {
    const at = row * 2 * half;
    const before = seen.get(position);
    if (before !== undefined) {
      cos.copyWithin(at, before, before + 2 * half);
      sin.copyWithin(at, before, before + 2 * half);
      return;
    }
    seen.set(position, at);
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position * (frequencies[i] as number));
      cos[at + i] = cos[at + half + i] = Math.fround(Math.cos(angle)) * factor;
      sin[at + half + i] = Math.fround(Math.sin(angle)) * factor;
      sin[at + i] = -(sin[at + half + i] as number);
    }
  });
  return { cos: tf.tensor2d(cos, shape), sin: tf.tensor2d(sin, shape) };
}
