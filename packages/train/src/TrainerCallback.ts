import type { Optimizer } from './Optimizer';
import type { LogEntry, TrainerState } from './TrainerState';

export interface TrainerEvent {
  readonly state: Readonly<TrainerState>;
  /** Its `gradients` are there in `onPreOptimizerStep` and `onOptimizerStep`. */
  readonly optimizer: Optimizer;
  /** Ends the training after this update. */
  stop(): void;
}

/** What is told of a training as it goes on; what it returns is awaited. */
export interface TrainerCallback {
  onTrainBegin?(event: TrainerEvent): unknown;
  onEpochBegin?(event: TrainerEvent): unknown;
  /** Gradients are added up and clipped, weights not yet changed. */
  onPreOptimizerStep?(event: TrainerEvent): unknown;
  /** Weights are changed, gradients still there. */
  onOptimizerStep?(event: TrainerEvent): unknown;
  onStepEnd?(event: TrainerEvent): unknown;
  onEpochEnd?(event: TrainerEvent): unknown;
  onLog?(event: TrainerEvent & { readonly logs: LogEntry }): unknown;
  onEvaluate?(event: TrainerEvent & { readonly metrics: Readonly<Record<string, number>> }): unknown;
  /** @param event `checkpoint` is the folder's path */
  onSave?(event: TrainerEvent & { readonly checkpoint: string }): unknown;
  onTrainEnd?(event: TrainerEvent): unknown;
}
