import type { InitLoraWeights } from './config';

/** What one adapter is on one layer, after rank_pattern and alpha_pattern. */
export interface LayerSettings {
  r: number;
  /** s, by which the low-rank part is multiplied. */
  scaling: number;
  dropout: number;
  init: InitLoraWeights;
  use_dora: boolean;
  lora_bias: boolean;
}
