import { pause } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { freeBatch } from './batches';
import type { DataLoader } from './dataLoader';
import type { ProgressReporter } from './ProgressReporter';
import type { TrainableModel } from './TrainableModel';

/** What a model said of a dataset. */
export interface Predictions {
  /** Scores: the rows of the logits' last dimension, without those whose label is −100. */
  predictions: Float32Array[];
  /** The label of each row; absent where the data has none. */
  label_ids?: number[];
}

export interface EvaluationResult extends Predictions {
  /** The mean over examples of their batch's loss; absent where the data has no labels. */
  loss?: number;
  samples: number;
}

/** Runs a model, dropout off, over a dataset. @param keepLogits whether predictions are kept, which takes memory */
export async function runEvaluation<Batch>(
  model: TrainableModel<Batch>,
  loader: DataLoader<Batch>,
  examples: { readonly length: number; readonly batchSize: number },
  keepLogits: boolean,
  reporter?: ProgressReporter,
): Promise<EvaluationResult> {
  const wasTraining = model.training;
  const result = { predictions: [] as Float32Array[], labels: [] as number[] };
  let [total, counted, samples] = [0, 0, 0];
  model.eval();
  try {
    for await (const batch of loader) {
      const rows = Math.min(examples.batchSize, examples.length - samples);
      samples += rows;
      const { loss, logits } = tf.tidy(() => {
        const output = model.forward({ ...batch, return_logits: keepLogits });
        // Only these two leave the tidy.
        return { ...(output.loss && { loss: output.loss }), ...(keepLogits && output.logits && { logits: output.logits }) };
      });
      if (loss) {
        total += ((await loss.data())[0] as number) * rows;
        counted += rows;
      }
      if (logits) await collect(result, logits, (batch as { labels?: unknown }).labels);
      tf.dispose([loss ?? [], logits ?? []]);
      freeBatch(batch);
      reporter?.advance();
      await pause();
    }
  } finally {
    reporter?.end();
    if (wasTraining) model.train();
  }
  return {
    samples,
    predictions: result.predictions,
    ...(result.labels.length > 0 && { label_ids: result.labels }),
    ...(counted > 0 && { loss: total / counted }),
  };
}

async function collect(result: { predictions: Float32Array[]; labels: number[] }, logits: tf.Tensor, labels: unknown): Promise<void> {
  const scores = (await logits.data()) as Float32Array;
  const width = logits.shape.at(-1) ?? 1;
  const flat =
    labels instanceof tf.Tensor ? Array.from(await labels.data()) : labels === undefined ? undefined : (labels as number[][]).flat();
  const paired = flat?.length === scores.length / width;
  for (let row = 0; row < scores.length / width; row++)
    if (!paired || flat[row] !== -100) result.predictions.push(scores.slice(row * width, (row + 1) * width));
  if (flat) result.labels.push(...(paired ? flat.filter((label) => label !== -100) : flat));
}
