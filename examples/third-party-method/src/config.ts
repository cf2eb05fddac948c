import { commonFields, type Fields, field, type PeftConfig } from '@peft/core';

/**
 * VeRA's settings, spelled as in Python PEFT's `adapter_config.json`.
 *
 * Vector-based Random Matrix Adaptation (Kopiczko et al. 2023, https://arxiv.org/abs/2310.11454): as in LoRA a layer's
 * output gets a product of two thin matrices added, but these are random, frozen and shared by all layers. Trained are two
 * vectors a layer: y = W·x + Λb·B·Λd·A·x.
 */
export interface VeraConfig extends PeftConfig {
  peft_type: 'VERA';
  /** The rank: width of the shared matrices. @default 256 */
  r: number;
  /** Names or name endings of the layers to adapt, a regular expression for whole names, or `"all-linear"`. @default by model_type */
  target_modules: string | string[] | null;
  /** Only layers with these indices. @default null */
  layers_to_transform: number | number[] | null;
  /** Name of the list that layers_to_transform counts in. @default null */
  layers_pattern: string | string[] | null;
  /** Modules that are trained as a whole and saved with the adapter. @default null */
  modules_to_save: string[] | null;
  /** The seed of the shared matrices. @default 0 */
  projection_prng_key: number;
  /** Whether the file holds the shared matrices, too; else they are made anew from their seed. @default true */
  save_projection: boolean;
  /** Dropout on the adapter's input while training. @default 0 */
  vera_dropout: number;
  /** What every element of Λd starts from. @default 0.1 */
  d_initial: number;
  /** Whether weights are stored [in, out]; set from the layers found. @default false */
  fan_in_fan_out: boolean;
  /** Biases cannot be trained here. @default "none" */
  bias: 'none';
  /** Other starts than the paper's are not known here. @default true */
  init_weights: true;
}

const { boolean, either, float, integer, list, nullable, oneOf, string } = field;
const names = nullable(either(string(''), list(string('')))) as never;

export const veraFields: Fields<VeraConfig> = {
  ...commonFields('VERA'),
  r: field.custom(256, 'a whole number above 0', (value) => Number.isSafeInteger(value) && (value as number) > 0),
  target_modules: names,
  layers_to_transform: nullable(either(integer(0), list(integer(0)))) as never,
  layers_pattern: names,
  modules_to_save: nullable(list(string(''))),
  projection_prng_key: integer(0),
  save_projection: boolean(true),
  vera_dropout: float(0),
  d_initial: float(0.1),
  fan_in_fan_out: boolean(false),
  bias: oneOf('none'),
  init_weights: field.custom<true>(true, 'true', (value) => value === true),
};

/** Errors: settings that make no sense together or alone. */
export function validateVeraConfig({ vera_dropout: rate }: VeraConfig): void {
  if (rate < 0 || rate >= 1) throw new Error(`vera_dropout must be at least 0 and below 1, not ${rate}`);
}
