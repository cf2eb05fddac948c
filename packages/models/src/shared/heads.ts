import {
  add,
  type BatchLayout,
  binaryCrossEntropyWithLogits,
  crossEntropy,
  gatherRows,
  headCrossEntropy,
  type Layer,
  Linear,
  type ModelConfig,
  type ModelOutput,
  meanSquaredError,
  reshape,
  scale,
  split,
  type TextBatch,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { type Matrix, toList, toMatrix } from './ids';
import { atRows, type Needed, rowsOf, type Step } from './step';
import type { ImageBatch } from './VisionModel';

type Labels = NonNullable<TextBatch['labels']>;

/** Labels [B, T] as one list. */
const flatLabels = (labels: Labels, name = 'labels'): Int32Array => toMatrix(labels as never, name).values;

/**
 * Next-token logits [B, T or `logits_to_keep`, V] and, with labels, the mean loss over labelled positions.
 * While training only labelled positions go through the head, unless the batch asks for logits.
 * @param hidden [B·T, C]
 */
export function causalOutput(
  hidden: tf.Tensor2D,
  head: Pick<Layer, 'forward'>,
  batch: TextBatch,
  step: Step,
  training: boolean,
): ModelOutput {
  return labelledOutput(hidden, head, batch, step, training, nextLabels(batch, step));
}

/** What a language model's head reads: for the loss alone labelled positions, for `logits_to_keep` the last ones. */
export const neededForHead =
  (batch: TextBatch, training: boolean): Needed =>
  (layout) => {
    if (givesLossOnly(batch, training)) return labelledPositions(nextLabels(batch, layout) as Int32Array);
    return batch.labels === undefined && batch.logits_to_keep !== undefined ? lastColumns(layout, batch.logits_to_keep) : undefined;
  };

/** Of each row the last positions. */
const lastColumns = ({ batch, length }: BatchLayout, count: number): number[] => {
  const kept = Math.min(count, length);
  return Array.from({ length: batch * kept }, (_, i) => Math.floor(i / kept) * length + (length - kept) + (i % kept));
};

/** What the loss of classified tokens needs, where nothing else is wanted. */
export const neededForTokens =
  (batch: TextBatch, training: boolean): Needed =>
  (layout) =>
    givesLossOnly(batch, training) ? labelledPositions(tokenLabels(batch.labels as Labels, layout)) : undefined;

const labelledPositions = (labels: Int32Array): number[] =>
  [...labels.entries()].filter(([, label]) => label !== -100).map(([position]) => position);

/** Whether the loss is all that is wanted: while training with labels. */
export const givesLossOnly = ({ labels, return_logits }: TextBatch, training: boolean) =>
  labels !== undefined && !(return_logits ?? !training);

/** Logits [B, T or `logits_to_keep`, V] and, with labels [B·T], the mean loss of each position's own label. @param hidden [B·T, C] */
export function labelledOutput(
  hidden: tf.Tensor2D,
  head: Pick<Layer, 'forward'>,
  batch: TextBatch,
  step: Step,
  training: boolean,
  labels = batch.labels && flatLabels(batch.labels),
): ModelOutput {
  const { batch: rows, length, present } = step;
  const cache = present && { past_key_values: present };
  if (labels && givesLossOnly(batch, training)) return { loss: headCrossEntropy(hidden, head, atRows(labels, step)), ...cache };
  const kept = labels ? length : Math.min(batch.logits_to_keep ?? length, length);
  const isAll = hidden.shape[0] === rows * kept;
  const flat = head.forward(isAll ? hidden : gatherRows(hidden, rowsOf(lastColumns(step, kept), step))); // [B·kept, V]
  const logits = reshape<tf.Tensor3D>(flat, [rows, kept, flat.shape[1]]);
  return { ...(labels && { loss: crossEntropy(flat, labels) }), logits, ...cache };
}

/** Labels of all positions. Errors: another count of them. */
function tokenLabels(given: Labels, { batch, length }: BatchLayout): Int32Array {
  const labels = flatLabels(given);
  if (labels.length !== batch * length) throw new Error(`labels has ${labels.length} values for ${batch}×${length} positions`);
  return labels;
}

/** Each position's label is the next token; the last one has none. */
function nextLabels(batch: TextBatch, { batch: rows, length }: BatchLayout): Int32Array | undefined {
  if (batch.labels === undefined) return undefined;
  const labels = tokenLabels(batch.labels, { batch: rows, length });
  const next = new Int32Array(labels.length).fill(-100);
  for (let b = 0; b < rows; b++) next.set(labels.subarray(b * length + 1, (b + 1) * length), b * length);
  return next;
}

/** How many classes a config names. */
export function labelCount(config: ModelConfig): number {
  const { num_labels, id2label } = config;
  if (typeof num_labels === 'number') return num_labels;
  return typeof id2label === 'object' && id2label !== null ? Object.keys(id2label).length : 2;
}

/** A head for a config's number of classes. */
export const classHead = (config: ModelConfig, width: number, bias: boolean): Linear =>
  new Linear(width, labelCount(config), bias, ((config.initializer_range ?? config.init_std) as number | undefined) ?? 0.02);

/** Class logits [B, L] and, with labels [B], the loss that `problem_type` or the labels' kind ask for. */
export function classOutput(
  logits: tf.Tensor2D,
  { labels }: { labels?: TextBatch['labels'] | ImageBatch['labels'] },
  config: ModelConfig,
): ModelOutput {
  if (labels === undefined) return { logits };
  const classes = logits.shape[1];
  const nested = Array.isArray(labels) && Array.isArray(labels[0]);
  const isMatrix = nested || (labels instanceof tf.Tensor && labels.rank === 2);
  const values = nested ? (labels as number[][]).flat() : toList(labels as number[]);
  const whole = values.every(Number.isInteger) && !(labels instanceof tf.Tensor && labels.dtype === 'float32');
  const problem =
    config.problem_type ??
    (classes === 1 ? 'regression' : whole && !isMatrix ? 'single_label_classification' : 'multi_label_classification');
  const targets = () => tf.tensor2d(values, [logits.shape[0], values.length / logits.shape[0]], 'float32');
  if (problem === 'regression') return { loss: meanSquaredError(logits, targets()), logits };
  if (problem === 'single_label_classification') return { loss: crossEntropy(logits, values), logits };
  if (problem === 'multi_label_classification') return { loss: binaryCrossEntropyWithLogits(logits, targets()), logits };
  throw new Error(`problem_type "${problem}" is not known; regression, single_label_classification and multi_label_classification are`);
}

/** Of each sequence the position of its last token that is no padding. */
export const lastPositions =
  (config: ModelConfig) =>
  ({ batch, length }: BatchLayout, ids: Matrix | undefined): readonly number[] => {
    const pad = config.pad_token_id;
    if (typeof pad !== 'number' && batch > 1)
      throw new Error('sequences cannot be classified in a batch: the config has no pad_token_id; set model.config.pad_token_id');
    return Array.from({ length: batch }, (_, b) => {
      let last = length - 1;
      if (ids && typeof pad === 'number') {
        while (last > 0 && ids.values[b * length + last] === pad) last--;
      }
      return b * length + last;
    });
  };

/** Of each sequence the hidden state at its last token that is no padding. @returns [B, C] */
export const lastTokens = (hidden: tf.Tensor2D, ids: Matrix | undefined, step: Step, config: ModelConfig): tf.Tensor2D =>
  gatherRows(hidden, rowsOf(lastPositions(config)(step, ids), step));

/**
 * Logits [B, T, L] of each token and, with labels [B, T], the mean loss over those labelled. While training it is all there is,
 * unless the batch asks for logits.
 * @param hidden [N, C]
 */
export function tokenOutput(
  hidden: tf.Tensor2D,
  head: Pick<Layer, 'forward'>,
  batch: TextBatch,
  step: Step,
  training: boolean,
): ModelOutput {
  const labels = batch.labels && tokenLabels(batch.labels, step);
  if (labels && givesLossOnly(batch, training)) return { loss: headCrossEntropy(hidden, head, atRows(labels, step)) };
  const flat = head.forward(hidden); // [B·T, L]
  const logits = reshape<tf.Tensor3D>(flat, [step.batch, step.length, flat.shape[1]]);
  return labels ? { loss: crossEntropy(flat, labels), logits } : { logits };
}

/** Logits [B, T] of where an answer starts and ends and, with both positions [B], the mean of the two losses. @param flat [B·T, 2] */
export function answerOutput(flat: tf.Tensor2D, { start_positions, end_positions }: TextBatch, { batch, length }: Step): ModelOutput {
  const columns = split(flat, [1, 1]).map((column) => reshape<tf.Tensor2D>(column, [batch, length]));
  const [start_logits, end_logits] = columns as [tf.Tensor2D, tf.Tensor2D];
  if (start_positions === undefined || end_positions === undefined) return { start_logits, end_logits };
  // A position beyond the text is one that the text, cut off, no longer holds: it does not count.
  const targets = (positions: readonly number[] | tf.Tensor) =>
    toList(positions).map((position) => (position >= length ? -100 : Math.max(position, 0)));
  const loss = scale(add(crossEntropy(start_logits, targets(start_positions)), crossEntropy(end_logits, targets(end_positions))), 0.5);
  return { loss, start_logits, end_logits };
}

/** Hidden states [B, T, C]. */
export function hiddenOutput(hidden: tf.Tensor2D, { batch, length, present }: Step): ModelOutput {
  return {
    last_hidden_state: reshape<tf.Tensor3D>(hidden, [batch, length, hidden.shape[1]]),
    ...(present && { past_key_values: present }),
  };
}
