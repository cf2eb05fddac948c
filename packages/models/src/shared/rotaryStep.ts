import type { TextBatch } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import { type RopeConfig, ropeOptions, ropeTables } from './rope';
import { attentionMask, positionsOf, type Step } from './step';

/** What the layers of a decoder with rotary positions share in one forward pass. */
export interface RotaryStep extends Step {
  cos: tf.Tensor2D; // [B·T, D or the part of it that is turned]
  sin: tf.Tensor2D;
  /** The mask of layers with a sliding window. */
  slidingMask: tf.Tensor | undefined;
}

/** @param window how far back layers with a sliding window see; none where all see everything */
export function rotaryStep(batch: TextBatch, opened: Step, config: RopeConfig, window: number | null = null): RotaryStep {
  const mask = attentionMask(batch, opened, { causal: true });
  return {
    ...opened,
    ...(mask && { mask }),
    slidingMask: window === null ? mask : attentionMask(batch, opened, { causal: true, window }),
    ...ropeTables(ropeOptions(config), positionsOf(batch, opened)),
  };
}
