export type Strategy = 'no' | 'steps' | 'epoch';
export type SchedulerType = 'linear' | 'cosine' | 'constant' | 'constant_with_warmup';

/** How to train; names and meaning are those of transformers' `TrainingArguments`. */
export interface TrainerArgs {
  /** The folder of checkpoints. @default none are written */
  output_dir?: string;
  /** @default 3 */
  num_train_epochs: number;
  /** Updates in all, whatever `num_train_epochs` says; -1 = that counts. @default -1 */
  max_steps: number;
  /** @default 8 */
  per_device_train_batch_size: number;
  /** @default 8 */
  per_device_eval_batch_size: number;
  /** Batches an update. @default 1 */
  gradient_accumulation_steps: number;
  /** Activations are computed again on the way back, not kept: a third slower, for far less memory. @default false */
  gradient_checkpointing: boolean;
  /** @default 5e-5 */
  learning_rate: number;
  /** Not of biases and norms. @default 0 */
  weight_decay: number;
  /** @default 0.9 */
  adam_beta1: number;
  /** @default 0.999 */
  adam_beta2: number;
  /** @default 1e-8 */
  adam_epsilon: number;
  /** @default linear */
  lr_scheduler_type: SchedulerType;
  /** @default 0 */
  warmup_steps: number;
  /** The share of all steps, where `warmup_steps` is 0. @default 0 */
  warmup_ratio: number;
  /** The gradients' norm is clipped to it; 0 = not at all. @default 1 */
  max_grad_norm: number;
  /** Updates between entries of the log. @default 500 */
  logging_steps: number;
  /** @default no */
  eval_strategy: Strategy;
  /** @default logging_steps */
  eval_steps?: number;
  /** @default steps where there is an output_dir, else no */
  save_strategy: Strategy;
  /** @default 500 */
  save_steps: number;
  /** Older checkpoints are deleted; the best one stays while `load_best_model_at_end`. @default all are kept */
  save_total_limit?: number;
  /** @default false */
  load_best_model_at_end: boolean;
  /** A name out of what `evaluate` gives, with or without `eval_`. @default loss */
  metric_for_best_model: string;
  /** @default false for metrics whose name ends in loss, else true */
  greater_is_better?: boolean;
  /** Drops a last training batch that is not full. @default false */
  dataloader_drop_last: boolean;
  /** Of the data's order and of dropout. @default 42 */
  seed: number;
  /** Shows no progress. @default false */
  disable_tqdm: boolean;
}

const defaults: TrainerArgs = {
  num_train_epochs: 3,
  max_steps: -1,
  per_device_train_batch_size: 8,
  per_device_eval_batch_size: 8,
  gradient_accumulation_steps: 1,
  gradient_checkpointing: false,
  learning_rate: 5e-5,
  weight_decay: 0,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  lr_scheduler_type: 'linear',
  warmup_steps: 0,
  warmup_ratio: 0,
  max_grad_norm: 1,
  logging_steps: 500,
  eval_strategy: 'no',
  save_strategy: 'no',
  save_steps: 500,
  load_best_model_at_end: false,
  metric_for_best_model: 'loss',
  dataloader_drop_last: false,
  seed: 42,
  disable_tqdm: false,
};

const optional = ['output_dir', 'eval_steps', 'save_total_limit', 'greater_is_better'];
const strategies = ['no', 'steps', 'epoch'];
const counts = [
  'per_device_train_batch_size',
  'per_device_eval_batch_size',
  'gradient_accumulation_steps',
  'logging_steps',
  'eval_steps',
  'save_steps',
  'save_total_limit',
] as const;

/** Fills in the defaults. Errors: all unknown names, wrong values and contradictions at once. */
export function trainerArgs(given: Partial<TrainerArgs>): TrainerArgs & { eval_steps: number; greater_is_better: boolean } {
  const known = [...Object.keys(defaults), ...optional];
  const problems = Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => `"${name}" is not known`);
  if (problems.length > 0) problems.push(`known are: ${known.sort().join(', ')}`);
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<TrainerArgs>;
  const args = { ...defaults, save_strategy: given.output_dir === undefined ? ('no' as const) : ('steps' as const), ...set };
  for (const name of counts) {
    const value = args[name];
    if (value !== undefined && !(Number.isInteger(value) && value > 0))
      problems.push(`${name} must be a whole number above 0, not ${value}`);
  }
  for (const name of ['eval_strategy', 'save_strategy'] as const)
    if (!strategies.includes(args[name]))
      problems.push(`${name} must be one of ${strategies.join(', ')}, not ${JSON.stringify(args[name])}`);
  const schedulers = ['linear', 'cosine', 'constant', 'constant_with_warmup'];
  if (!schedulers.includes(args.lr_scheduler_type))
    problems.push(`lr_scheduler_type must be one of ${schedulers.join(', ')}, not ${JSON.stringify(args.lr_scheduler_type)}`);
  if (args.save_strategy !== 'no' && args.output_dir === undefined) problems.push('save_strategy needs an output_dir');
  if (args.max_steps <= 0 && !(args.num_train_epochs > 0)) problems.push('num_train_epochs or max_steps must be above 0');
  const evalSteps = args.eval_steps ?? args.logging_steps;
  if (args.load_best_model_at_end) {
    if (args.eval_strategy !== args.save_strategy || args.eval_strategy === 'no')
      problems.push(
        `load_best_model_at_end needs eval_strategy ("${args.eval_strategy}") and save_strategy ("${args.save_strategy}") to be the same, and not "no"`,
      );
    else if (args.eval_strategy === 'steps' && args.save_steps % evalSteps !== 0)
      problems.push(`load_best_model_at_end needs save_steps (${args.save_steps}) to be a multiple of eval_steps (${evalSteps})`);
  }
  if (problems.length > 0) throw new Error(`the Trainer's args are wrong: ${problems.join('; ')}`);
  return { ...args, eval_steps: evalSteps, greater_is_better: args.greater_is_better ?? !args.metric_for_best_model.endsWith('loss') };
}

/** How many updates a training of so many examples makes. Errors: wrong args, all at once */
export function countUpdates(given: Partial<TrainerArgs>, examples: number): number {
  const args = trainerArgs(given);
  const batches = examples / args.per_device_train_batch_size;
  const whole = args.dataloader_drop_last ? Math.floor(batches) : Math.ceil(batches);
  return args.max_steps > 0 ? args.max_steps : Math.ceil(args.num_train_epochs * Math.ceil(whole / args.gradient_accumulation_steps));
}
