import { Parameter } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { LoraConfig } from './config';

/**
 * The adapter that, on the base as it was before "pissa", "olora" or another start changed it, gives the same outputs:
 * B·A − B₀·A₀ as one pair of twice the rank.
 * @returns a config and parameters of its own, which the caller disposes
 */
export function subtractInitial(
  config: LoraConfig,
  state: Record<string, Parameter>,
  initial: Record<string, Parameter>,
): { config: LoraConfig; state: Record<string, Parameter> } {
  const other = Object.keys(state).filter((key) => !/\.lora_[AB]\.weight$/.test(key));
  if (other.length > 0) throw new Error(`only plain A and B can be saved relative to an initial adapter, not ${other.join(', ')}`);
  if (config.use_rslora && (Object.keys(config.rank_pattern).length > 0 || Object.keys(config.alpha_pattern).length > 0))
    throw new Error(
      'an rslora adapter with rank_pattern or alpha_pattern cannot be saved relative to an initial adapter: its scales would change',
    );
  const doubled: Record<string, Parameter> = {};
  for (const [key, parameter] of Object.entries(state)) {
    const start = initial[key];
    if (!start) throw new Error(`the initial adapter has no ${key}`);
    tf.tidy(() => {
      const isA = key.endsWith('.lora_A.weight');
      const joined = isA ? tf.concat([parameter.value, start.value], 0) : tf.concat([parameter.value, tf.neg(start.value)], 1);
      const twice = new Parameter(joined.shape);
      twice.assign(joined);
      doubled[key] = twice;
    });
  }
  const times = (pattern: Record<string, number>, factor: number) =>
    Object.fromEntries(Object.entries(pattern).map(([key, value]) => [key, value * factor]));
  return {
    config: {
      ...config,
      init_lora_weights: true,
      r: config.r * 2,
      // The scale alpha / r, or alpha / √r, must stay.
      lora_alpha: config.lora_alpha * (config.use_rslora ? Math.SQRT2 : 2),
      rank_pattern: times(config.rank_pattern, 2),
      alpha_pattern: times(config.alpha_pattern, 2),
    },
    state: doubled,
  };
}
