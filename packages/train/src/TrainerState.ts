import type { LoaderState } from './dataLoader';
import type { SchedulerState } from './schedules';

/** An entry of the log: what was measured, with `step` and `epoch`. */
export type LogEntry = Record<string, number>;

/** What must stay the same for an exact continuation. */
export interface TrainingSetup {
  /** Updates in all. */
  max_steps: number;
  batches_per_epoch: number;
  train_batch_size: number;
  gradient_accumulation_steps: number;
  seed: number;
}

/** Where a training stands; the file `trainer_state.json` of a checkpoint. */
export interface TrainerState extends TrainingSetup {
  /** Updates done. */
  global_step: number;
  /** Epochs done, with the part of the running one. */
  epoch: number;
  best_metric: number | null;
  /** The name of the folder in `output_dir`. */
  best_model_checkpoint: string | null;
  log_history: LogEntry[];
  /** The sum of the losses of all updates. */
  total_loss: number;
  /** That sum and the step at the last entry of the log. */
  logged: { total_loss: number; step: number };
  data: LoaderState;
  scheduler: SchedulerState;
  /** Of core's default generator, which dropout draws from. */
  generator: readonly number[];
}

export const newTrainerState = (): TrainerState => ({
  max_steps: 0,
  batches_per_epoch: 0,
  train_batch_size: 0,
  gradient_accumulation_steps: 1,
  seed: 0,
  global_step: 0,
  epoch: 0,
  best_metric: null,
  best_model_checkpoint: null,
  log_history: [],
  total_loss: 0,
  logged: { total_loss: 0, step: 0 },
  data: { epoch: 0, position: 0 },
  scheduler: { step: 0, lr: 0 },
  generator: [],
});
