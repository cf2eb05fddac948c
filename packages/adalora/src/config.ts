import { commonFields, type Fields, field, type PeftConfig, warn } from '@peft/core';

/** A setting of LoRA that stands in AdaLoRA's files, too. */
type Settings = Record<string, unknown> | null;

/**
 * AdaLoRA's settings, spelled as in `adapter_config.json`.
 *
 * Adaptive Budget Allocation (Zhang et al. 2023, https://arxiv.org/abs/2303.10512): y = W·x + s·B·(E∘A)·x with A [r, in],
 * B [out, r] and the singular values E [r]. All matrices start with init_r of these; while training goes on the least
 * important are cut, until there are target_r a matrix on average.
 */
export interface AdaLoraConfig extends PeftConfig {
  peft_type: 'ADALORA';
  /** Singular values a matrix at the end, on average. @default 8 */
  target_r: number;
  /** Singular values a matrix at the start. @default 12 */
  init_r: number;
  /** First steps in which nothing is cut. @default 0 */
  tinit: number;
  /** Last steps in which the ranks stay as they are. @default 0 */
  tfinal: number;
  /** Steps between two cuts. @default 1 */
  deltaT: number;
  /** How slowly the importance of a weight follows its latest value, between 0 and 1. @default 0.85 */
  beta1: number;
  /** The same for the importance's uncertainty. @default 0.85 */
  beta2: number;
  /** How much the loss grows where A's rows and B's columns are not orthonormal. @default 0.5 */
  orth_reg_weight: number;
  /** Steps of the whole training; must be given. */
  total_step: number | null;
  /** Which singular values are left, by the name of a matrix's `lora_E`: a result of training. @default null */
  rank_pattern: Record<string, boolean[]> | null;
  /** Names or name endings of the layers to adapt, a regular expression for whole names, or `"all-linear"`. @default by model_type */
  target_modules: string | string[] | null;
  /** What target_modules takes in by mistake, in the same forms. @default null */
  exclude_modules: string | string[] | null;
  /** The scale s is lora_alpha / init_r, or where this is 0 or less about 1. @default 8 */
  lora_alpha: number;
  /** Dropout on the adapter's input while training. @default 0 */
  lora_dropout: number;
  /** Whether weights are stored [in, out]; set from the layers found. @default false */
  fan_in_fan_out: boolean;
  /** Which biases are trained and saved too. @default "none" */
  bias: 'none' | 'all' | 'lora_only';
  /** Modules that are trained as a whole and saved with the adapter. @default null */
  modules_to_save: string[] | null;
  /** false: all from N(0, 1); else A and B from N(0, 0.02), E zero. @default true */
  init_lora_weights: boolean | string;
  /** Only layers with these indices. @default null */
  layers_to_transform: number | number[] | null;
  /** Name of the list that layers_to_transform counts in. @default null */
  layers_pattern: string | string[] | null;
  /** Has no effect: see init_r and target_r. @default 8 */
  r: number;
  alpha_pattern: Record<string, number>;
  use_rslora: boolean;
  megatron_config: Settings;
  megatron_core: string | null;
  trainable_token_indices: number[] | Record<string, number[]> | null;
  loftq_config: Record<string, unknown>;
  eva_config: Settings;
  corda_config: Settings;
  lora_ga_config: Settings;
  use_dora: boolean;
  velora_config: Settings;
  monteclora_config: Settings;
  kasa_config: Settings;
  arrow_config: Settings;
  use_bdlora: Settings;
  alora_invocation_tokens: number[] | null;
  use_qalora: boolean;
  qalora_group_size: number;
  layer_replication: [number, number][] | null;
  lora_bias: boolean;
  target_parameters: string[] | null;
  ensure_weight_tying: boolean;
}

const { boolean, custom, either, float, integer, list, nullable, number, oneOf, record, set, string } = field;

const names = set(string(''));
const modules = nullable(either(string(''), names)) as never;
const anything = nullable(record(custom<unknown>(null, 'anything', () => true)));
const count = (fallback: number) =>
  custom(fallback, 'a whole number from 0 on', (value) => Number.isSafeInteger(value) && (value as number) >= 0);
const positive = (fallback: number) =>
  custom(fallback, 'a positive whole number', (value) => Number.isSafeInteger(value) && (value as number) > 0);

export const adaLoraFields: Fields<AdaLoraConfig> = {
  ...commonFields('ADALORA'),
  target_r: count(8),
  init_r: count(12),
  tinit: count(0),
  tfinal: count(0),
  deltaT: positive(1),
  beta1: float(0.85),
  beta2: float(0.85),
  orth_reg_weight: float(0.5),
  total_step: nullable(positive(1)),
  rank_pattern: nullable(record(list(boolean(true)))),
  target_modules: modules,
  exclude_modules: modules,
  lora_alpha: number(8),
  lora_dropout: float(0),
  fan_in_fan_out: boolean(false),
  bias: oneOf('none', 'all', 'lora_only'),
  modules_to_save: nullable(list(string(''))),
  init_lora_weights: either(boolean(true), string('')),
  layers_to_transform: nullable(either(integer(0), list(integer(0)))) as never,
  layers_pattern: modules,
  r: count(8),
  alpha_pattern: record(number(8)),
  use_rslora: boolean(false),
  megatron_config: anything,
  megatron_core: { ...nullable(string('')), default: 'megatron.core' },
  trainable_token_indices: nullable(either(list(count(0)), record(list(count(0))))) as never,
  loftq_config: record(custom<unknown>(null, 'anything', () => true)),
  eva_config: anything,
  corda_config: anything,
  lora_ga_config: anything,
  use_dora: boolean(false),
  velora_config: anything,
  monteclora_config: anything,
  kasa_config: anything,
  arrow_config: anything,
  use_bdlora: anything,
  alora_invocation_tokens: nullable(list(integer(0))),
  use_qalora: boolean(false),
  qalora_group_size: integer(16),
  layer_replication: nullable(
    list(custom<[number, number]>([0, 0], 'a pair [start, end)', (value) => Array.isArray(value) && value.length === 2)),
  ),
  lora_bias: boolean(false),
  target_parameters: nullable(list(string(''))),
  ensure_weight_tying: boolean(false),
};

/** Refuses settings that contradict each other. Errors: all contradictions at once. */
export function validateAdaLoraConfig(config: AdaLoraConfig): void {
  const { total_step: total, tinit, tfinal, target_modules: targets } = config;
  const wrong: string[] = [];
  const refuse = (condition: boolean, problem: string) => condition && wrong.push(problem);
  refuse(total === null, 'total_step, the number of training steps, must be given');
  refuse(
    total !== null && tinit >= total - tfinal,
    `tinit ${tinit} and tfinal ${tfinal} leave none of total_step ${total} for cutting ranks: decrease them or increase total_step`,
  );
  for (const name of ['beta1', 'beta2'] as const)
    refuse(!(config[name] > 0 && config[name] < 1), `${name} must lie between 0 and 1, not be ${config[name]}`);
  refuse(config.orth_reg_weight < 0, `orth_reg_weight must be 0 or more, not ${config.orth_reg_weight}`);
  refuse(config.lora_dropout < 0 || config.lora_dropout >= 1, `lora_dropout must be at least 0 and below 1, not ${config.lora_dropout}`);
  refuse(config.use_dora, 'use_dora does not work with AdaLoRA');
  refuse(Object.keys(config.loftq_config).length > 0, 'loftq_config does not work with AdaLoRA');
  const isRegex = typeof targets === 'string' && targets.toLowerCase() !== 'all-linear';
  refuse(isRegex && config.layers_to_transform !== null, 'layers_to_transform cannot be used when target_modules is one string');
  refuse(config.layers_pattern !== null && config.layers_to_transform === null, 'layers_pattern needs layers_to_transform, too');
  if (wrong.length > 0) throw new Error(`this AdaLoRA config cannot be used: ${wrong.join('; ')}`);
  if (config.r !== 8) warn('r has no effect in AdaLoRA: init_r is the rank at the start, target_r that at the end');
}

/** Errors: settings of LoRA that would change the model and are not built for AdaLoRA. A warning: those that have no effect, as in Python. */
export function checkUnused(config: AdaLoraConfig): void {
  const isSet = (name: keyof AdaLoraConfig) => {
    const value = config[name];
    return Array.isArray(value) ? value.length > 0 : value !== null && value !== false;
  };
  const missing = (
    ['trainable_token_indices', 'layer_replication', 'target_parameters', 'megatron_config', 'ensure_weight_tying'] as const
  ).filter(isSet);
  if (missing.length > 0) throw new Error(`this AdaLoRA config asks for what is not built here: ${missing.join(', ')}`);
  const unused = (
    ['use_rslora', 'lora_bias', 'use_qalora', 'eva_config', 'corda_config', 'lora_ga_config', 'velora_config', 'monteclora_config'] as const
  ).filter(isSet);
  if (unused.length > 0) warn(`these settings of LoRA have no effect in AdaLoRA: ${unused.join(', ')}`);
}
