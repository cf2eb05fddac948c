import type { RopeOptions } from './rope';

/** Whether positions are scaled by LongRoPE (https://arxiv.org/abs/2402.13753), `su` as it was called before. */
export const isLong = ({ scaling }: RopeOptions): boolean => /^(longrope|su)$/.test(String(scaling?.rope_type ?? scaling?.type));

/** The length beyond which a text takes the long factors. */
export const longFrom = ({ maxPositions = 0, originalMaxPositions = maxPositions }: RopeOptions): number => originalMaxPositions;

/** How much slower each of the D/2 pairs turns in a text of so many positions. Errors: factors that are missing or none. */
export function longFactors(options: RopeOptions, length: number): Float32Array {
  attentionFactor(options);
  const count = options.dim / 2;
  const [short, long] = ['short_factor', 'long_factor'].map((name) => {
    const factors = options.scaling?.[name];
    if (!Array.isArray(factors) || factors.length !== count || !factors.every((factor) => typeof factor === 'number' && factor > 0))
      throw new Error(`rope_scaling of type "longrope" needs ${count} numbers above 0 in ${name}, not ${JSON.stringify(factors)}`);
    return Float32Array.from(factors);
  }) as [Float32Array, Float32Array];
  return length > longFrom(options) ? long : short;
}

/** What cos and sin are multiplied with: LongRoPE sharpens attention the more, the further the context was extended. */
export function attentionFactor(options: RopeOptions): number {
  const { scaling, maxPositions = 0, originalMaxPositions } = options;
  if (!isLong(options)) return 1;
  if (typeof scaling?.attention_factor === 'number') return scaling.attention_factor;
  const factor = originalMaxPositions ? maxPositions / originalMaxPositions : scaling?.factor;
  if (typeof factor !== 'number')
    throw new Error('rope_scaling of type "longrope" needs original_max_position_embeddings in the config, or a number factor');
  return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(longFrom(options)));
}
