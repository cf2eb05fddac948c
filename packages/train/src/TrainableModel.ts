import type { LoadAdapterOptions, Location, Parameter, SinkLocation, TensorToWrite } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';

/** What the Trainer needs of a model: a PeftModel, or anything like it. */
export interface TrainableModel<Batch = never> {
  readonly training: boolean;
  readonly activeAdapters: readonly string[];
  forward(batch: Batch): { loss?: tf.Scalar; logits?: tf.Tensor };
  train(): unknown;
  eval(): unknown;
  trainableParameters(): Record<string, Parameter>;
  savePretrained(where: SinkLocation): Promise<void>;
  loadAdapter(where: Location, name: string, options?: LoadAdapterOptions): Promise<unknown>;
  /** Makes training keep no activations; for `gradient_checkpointing`. */
  gradientCheckpointingEnable?(): unknown;
  /** Told of every step of the optimizer, while its gradients are still there. */
  afterOptimizerStep?(step: number, gradients: Readonly<Record<string, tf.Tensor>>): void;
  /** What an exact continuation needs beyond what `savePretrained` writes. */
  trainingState?(): Record<string, TensorToWrite>;
  loadTrainingState?(state: Readonly<Record<string, TensorToWrite>>): void;
}
