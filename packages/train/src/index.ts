export { type AdamWOptions, adamW } from './adamW';
export { lastCheckpoint, listCheckpoints } from './checkpoints';
export {
  dataCollatorForLanguageModeling,
  dataCollatorForSeq2Seq,
  dataCollatorForSpeechSeq2Seq,
  dataCollatorForTokenClassification,
  dataCollatorWithPadding,
  type Example,
  type LabelledBatch,
  type PaddedBatch,
  type PaddingOptions,
  type SpeechExample,
} from './collators';
export { type DataLoader, type DataLoaderOptions, type Dataset, dataLoader, type LoaderState, type Stacked } from './dataLoader';
export type { Predictions } from './evaluation';
export type { BackwardOptions } from './Gradients';
export { type MeanIoU, type MeanIoUOptions, meanIoU } from './meanIoU';
export { accuracy, argMax, type F1Options, f1, type Label, matthews, perplexity } from './metrics';
export type { MomentState, Optimizer, OptimizerState } from './Optimizer';
export { readOptimizerFile, writeOptimizerFile } from './optimizerFile';
export { type ProgressOptions, ProgressReporter, type ProgressState, type ProgressStream, type StepReport } from './ProgressReporter';
export { type ProgressStep, progress } from './progress';
export {
  type CosineOptions,
  constantSchedule,
  cosineSchedule,
  type DecayOptions,
  linearSchedule,
  type Scheduler,
  type SchedulerState,
  schedule,
  type WarmupOptions,
} from './schedules';
export type { TrainableModel } from './TrainableModel';
export { Trainer, type TrainerOptions, type TrainOptions, type TrainResult } from './Trainer';
export { countUpdates, type SchedulerType, type Strategy, type TrainerArgs } from './TrainerArgs';
export type { TrainerCallback, TrainerEvent } from './TrainerCallback';
export type { LogEntry, TrainerState, TrainingSetup } from './TrainerState';
export { textBlocks } from './textBlocks';
export type { Trainable } from './trainable';
export { readTrainingState, TRAINING_STATE } from './trainingStateFile';
export { wordErrorRate } from './wordErrorRate';
