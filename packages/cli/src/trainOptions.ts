import type { TrainerArgs } from '@peft/train';
import { dataOptions } from './data/dataOptions';
import { METHOD_NAMES } from './methods';
import { engineOptions, type Options, type Values } from './options';
import { TEXT_TASKS } from './tasks';

/** The Trainer's arguments by their names. */
export const trainerOptions = {
  max_steps: { type: 'number', help: 'updates in all, whatever num_train_epochs says' },
  num_train_epochs: { type: 'number', help: 'passes over the data', default: 3 },
  learning_rate: { type: 'number', help: 'the highest rate of the schedule [by method, as in the guides: lora 0.001]' },
  per_device_train_batch_size: { type: 'number', help: 'examples a batch', default: 8 },
  per_device_eval_batch_size: { type: 'number', help: 'examples a batch of the evaluation', default: 8 },
  gradient_accumulation_steps: { type: 'number', help: 'batches an update', default: 1 },
  gradient_checkpointing: { type: 'flag', help: 'activations are computed again on the way back: a third slower, for far less memory' },
  lr_scheduler_type: {
    type: 'text',
    value: 'NAME',
    help: 'how the rate changes',
    choices: ['linear', 'cosine', 'constant', 'constant_with_warmup'],
    default: 'linear',
  },
  warmup_steps: { type: 'number', help: 'updates in which the rate rises' },
  warmup_ratio: { type: 'number', help: 'the same as a share of all updates' },
  weight_decay: { type: 'number', help: 'of weights, not of biases and norms', default: 0 },
  max_grad_norm: { type: 'number', help: "what the gradients' norm is clipped to; 0: not at all", default: 1 },
  adam_beta1: { type: 'number', help: "AdamW's first decay", default: 0.9 },
  adam_beta2: { type: 'number', help: "AdamW's second decay", default: 0.999 },
  adam_epsilon: { type: 'number', help: "AdamW's smallest divisor", default: 1e-8 },
  logging_steps: { type: 'number', help: 'updates between two entries of the log', default: 10 },
  eval_strategy: { type: 'text', value: 'WHEN', help: 'when to measure [epoch with --eval]', choices: ['no', 'steps', 'epoch'] },
  eval_steps: { type: 'number', help: 'updates between two measurements [logging_steps]' },
  save_strategy: { type: 'text', value: 'WHEN', help: 'when to write a checkpoint', choices: ['no', 'steps', 'epoch'], default: 'steps' },
  save_steps: { type: 'number', help: 'updates between two checkpoints', default: 500 },
  save_total_limit: { type: 'number', help: 'checkpoints that are kept [all]' },
  load_best_model_at_end: { type: 'flag', help: 'the adapter of the best measurement is saved, not the last' },
  metric_for_best_model: { type: 'text', value: 'NAME', help: 'what counts as best', default: 'loss' },
  dataloader_drop_last: { type: 'flag', help: 'drops a last batch that is not full' },
  seed: { type: 'number', help: "of the adapter's start, the data's order and dropout", default: 42 },
} as const satisfies Partial<Record<keyof TrainerArgs, Options[string]>>;

/** What a training can be told. */
export const trainOptions = {
  model: { type: 'text', positional: true, required: true, help: 'the base model' },
  data: { type: 'text', value: 'FILE', required: true, help: 'what to train on' },
  out: { type: 'text', value: 'FOLDER', required: true, help: 'where the adapter and its checkpoints go' },
  method: { type: 'text', value: 'NAME', help: 'how the model is adapted', choices: METHOD_NAMES, default: 'lora' },
  set: { type: 'settings', help: "the adapter's settings, such as r=8; --help with --method lists them" },
  task: { type: 'text', value: 'NAME', help: 'what the model is for [what its config says]', choices: TEXT_TASKS },
  eval: { type: 'text', value: 'FILE', help: 'what to measure on: a file, or a share of the data such as 0.1' },
  resume: { type: 'flag', help: 'goes on from the newest checkpoint in --out' },
  ...dataOptions,
  ...trainerOptions,
  ...engineOptions,
} as const satisfies Options;

export type TrainValues = Values<typeof trainOptions>;
