import { commonFields, type Field, type Fields, field, type PeftConfig } from '@peft/core';

/** The start values of A and B; see `initialize.ts`. */
export type InitLoraWeights = boolean | string;

/**
 * LoRA's settings, spelled as in `adapter_config.json`.
 *
 * Low-Rank Adaptation (Hu et al. 2021, https://arxiv.org/abs/2106.09685): y = W·x + s·B·A·x with A [r, in] and B [out, r]
 * trained and W frozen; s = lora_alpha / r.
 */
export interface LoraConfig extends PeftConfig {
  peft_type: 'LORA';
  /** The rank: width of A and B. @default 8 */
  r: number;
  /** Names or name endings of the layers to adapt, a regular expression for whole names, or `"all-linear"`. @default by model_type */
  target_modules: string | string[] | null;
  /** What target_modules takes in by mistake, in the same forms. @default null */
  exclude_modules: string | string[] | null;
  /** The numerator of the scale s. @default 8 */
  lora_alpha: number;
  /** Dropout on the adapter's input while training. @default 0 */
  lora_dropout: number;
  /** Whether weights are stored [in, out]; set from the layers found. @default false */
  fan_in_fan_out: boolean;
  /** Which biases are trained and saved too. @default "none" */
  bias: 'none' | 'all' | 'lora_only';
  /** s = lora_alpha / √r (https://arxiv.org/abs/2312.03732). @default false */
  use_rslora: boolean;
  /** Modules that are trained as a whole and saved with the adapter. @default null */
  modules_to_save: string[] | null;
  /** true: B = 0; false: both random; "gaussian", "pissa", "pissa_niter_N", "olora", "orthogonal". @default true */
  init_lora_weights: InitLoraWeights;
  /** Only layers with these indices. @default null */
  layers_to_transform: number | number[] | null;
  /** Name of the list that layers_to_transform counts in. @default null */
  layers_pattern: string | string[] | null;
  /** Other ranks by layer name or regular expression; the first that matches counts. @default {} */
  rank_pattern: Record<string, number>;
  /** Other alphas, likewise. @default {} */
  alpha_pattern: Record<string, number>;
  megatron_config: Record<string, unknown> | null;
  megatron_core: string | null;
  /** Single tokens whose embeddings are trained: ids, or ids by embedding layer. @default null */
  trainable_token_indices: number[] | Record<string, number[]> | null;
  loftq_config: Record<string, unknown> | null;
  eva_config: Record<string, unknown> | null;
  corda_config: Record<string, unknown> | null;
  lora_ga_config: Record<string, unknown> | null;
  /** Magnitude and direction apart (DoRA, https://arxiv.org/abs/2402.09353). @default false */
  use_dora: boolean;
  velora_config: Record<string, unknown> | null;
  monteclora_config: Record<string, unknown> | null;
  kasa_config: Record<string, unknown> | null;
  arrow_config: Record<string, unknown> | null;
  use_bdlora: Record<string, unknown> | null;
  alora_invocation_tokens: number[] | null;
  use_qalora: boolean;
  qalora_group_size: number;
  /** Ranges [start, end) of layers that make up a new, deeper model with shared weights. @default null */
  layer_replication: [number, number][] | null;
  /** Gives B a bias. @default false */
  lora_bias: boolean;
  target_parameters: string[] | null;
  ensure_weight_tying: boolean;
}

const { boolean, either, float, integer, list, nullable, number, object, oneOf, record, set, string } = field;

const names = set(string(''));
const rankOf = field.custom(8, 'a positive whole number', (value) => Number.isSafeInteger(value) && (value as number) > 0);
const indices = list(field.custom(0, 'a whole number from 0 on', (value) => Number.isSafeInteger(value) && (value as number) >= 0));
const range = field.custom<[number, number]>(
  [0, 0],
  'a pair [start, end)',
  (value) => Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger),
);
const anything = field.custom<unknown>(null, 'anything', () => true);

/** A number that Python holds as float, with limits. */
const ranged = (fallback: number, low: number, high: number): Field<number> => ({
  ...float(fallback),
  expects: `a number from ${low}${high === Number.POSITIVE_INFINITY ? ' on' : ` to ${high}`}`,
  accepts: (value) => typeof value === 'number' && value >= low && value <= high,
});

/** An object of settings that PEFT fills with defaults of its own. */
const settings = (fields: Record<string, typeof anything>) => nullable(object(fields as unknown as Fields<Record<string, unknown>>));

export const loraFields: Fields<LoraConfig> = {
  ...commonFields('LORA'),
  r: rankOf,
  target_modules: nullable(either(string(''), names)) as never,
  exclude_modules: nullable(either(string(''), names)) as never,
  lora_alpha: number(8),
  lora_dropout: float(0),
  fan_in_fan_out: boolean(false),
  bias: oneOf('none', 'all', 'lora_only'),
  use_rslora: boolean(false),
  modules_to_save: nullable(list(string(''))),
  init_lora_weights: field.custom<InitLoraWeights>(
    true,
    'true, false or a name',
    (value) => typeof value === 'boolean' || typeof value === 'string',
  ),
  layers_to_transform: nullable(either(integer(0), list(integer(0)))) as never,
  layers_pattern: nullable(either(string(''), names)) as never,
  rank_pattern: record(rankOf),
  alpha_pattern: record(number(8)),
  megatron_config: nullable(record(anything)),
  megatron_core: nullableDefault(string('megatron.core')),
  trainable_token_indices: nullable(either(indices, record(indices))) as never,
  loftq_config: field.custom<Record<string, unknown> | null>({}, 'an object, or null', nullable(record(anything)).accepts),
  eva_config: settings({
    rho: ranged(2, 1, Number.POSITIVE_INFINITY),
    tau: ranged(0.99, 0, 1),
    use_label_mask: boolean(true),
    label_mask_value: integer(-100),
    whiten: boolean(false),
    adjust_scaling_factors: boolean(true),
  }),
  corda_config: settings({
    cache_file: nullable(string('')),
    covariance_file: nullable(string('')),
    corda_method: oneOf('ipm', 'kpm'),
    verbose: boolean(false),
    use_float16_for_covariance: boolean(false),
    prune_temporary_fields: boolean(true),
  }),
  lora_ga_config: settings({
    direction: oneOf('ArB2r', 'ArBr', 'A2rBr', 'random'),
    scale: oneOf('stable', 'weight_svd', 'gd_scale', 'unit'),
    stable_gamma: integer(16),
  }),
  use_dora: boolean(false),
  velora_config: settings({ num_groups: integer(64), scale: float(1), init_type: string('batch_average') }),
  monteclora_config: settings({
    num_samples: integer(8),
    use_entropy: boolean(false),
    dirichlet_prior: float(0.1),
    sample_scaler: float(1e-4),
    kl_loss_weight: float(1e-5),
    buffer_size: integer(150),
  }),
  kasa_config: settings({ beta: float(1e-4), gamma: float(1e-3) }),
  arrow_config: settings({
    top_k: integer(3),
    router_temperature: float(1),
    use_gks: boolean(false),
    task_adapter_names: nullable(names),
    gks_adapter_names: nullable(names),
    rng_seed: nullable(integer(0)),
  }),
  use_bdlora: settings({
    target_modules_bd_a: nullable(names),
    target_modules_bd_b: nullable(names),
    nblocks: integer(1),
    match_strict: boolean(true),
  }),
  alora_invocation_tokens: nullable(list(integer(0))),
  use_qalora: boolean(false),
  qalora_group_size: integer(16),
  layer_replication: nullable(list(range)),
  lora_bias: boolean(false),
  target_parameters: nullable(list(string(''))),
  ensure_weight_tying: boolean(false),
};

/** May be null, but is not by default. */
function nullableDefault<T>(of: { default: T; expects: string; accepts(value: unknown): boolean }) {
  return { ...nullable(of), default: of.default as T | null };
}
