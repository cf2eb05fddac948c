import {
  type BatchLayout,
  checkpoint,
  type EmbeddingLayer,
  gatherRows,
  isCheckpointing,
  type KeyValues,
  type Module,
  reshape,
  type TextBatch,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { heldPositions, keyCount } from './cache';
import { type Matrix, toMatrix } from './ids';

/** What the layers of one forward pass share. Activations are [N, C]: N = B·T, or fewer where padding is left out. */
export interface Step extends BatchLayout {
  /** Positions that were there before: their keys and values are in `past`. */
  pastLength: number;
  /** The first input's position, where it is not `pastLength`. */
  start?: number;
  /** Added to attention scores; none where everything is seen. */
  mask?: tf.Tensor;
  past?: KeyValues;
  /** Of the positions those whose last hidden states are read, where they are far fewer than all. */
  needed?: Int32Array;
  /** The positions that a layer gives, where it is the last one and need not give all that it is given. */
  outputs?: Int32Array;
  /** Keys and values of all positions so far, a pair a layer, where they are asked for. */
  present?: KeyValues[number][];
}

// What Hugging Face adds where attention must not look; finite, so that a row that may see nothing has no NaN.
export const HIDDEN = -3.4028234663852886e38;

/** The positions, numbered among B·T, whose hidden states a head reads; nothing where it reads all. */
export type Needed = (layout: BatchLayout, ids: Matrix | undefined) => readonly number[] | undefined;

/**
 * The input of a forward pass as activations, and what its layers share.
 * @param needed positions that the mask hides are left out, but for these. @default all are needed
 */
export function openStep(batch: TextBatch, embedding: EmbeddingLayer, needed?: Needed): { hidden: tf.Tensor2D; ids?: Matrix; step: Step } {
  const { input_ids, inputs_embeds, past_key_values: past, use_cache } = batch;
  if ((input_ids === undefined) === (inputs_embeds === undefined)) throw new Error('give either input_ids or inputs_embeds');
  const pastLength = heldPositions(past);
  const cache = { pastLength, ...(past && { past }), ...(use_cache && { present: [] }) };
  if (inputs_embeds) {
    const [rows, columns, width] = inputs_embeds.shape;
    const step = packed(batch, { batch: rows, length: columns, ...cache }, undefined, needed);
    const hidden = reshape<tf.Tensor2D>(inputs_embeds, [-1, width]);
    return { hidden: step.rows ? gatherRows(hidden, step.rows) : hidden, step };
  }
  const ids = toMatrix(input_ids as NonNullable<typeof input_ids>, 'input_ids');
  const table = (embedding as { numEmbeddings?: number }).numEmbeddings;
  const outside = ids.values.find((id) => id < 0 || (table !== undefined && id >= table));
  if (outside !== undefined)
    throw new Error(`input_ids holds ${outside}, which is no token of this model${table === undefined ? '' : `: it has ${table}`}`);
  const step = packed(batch, { batch: ids.rows, length: ids.columns, ...cache }, ids, needed);
  return { hidden: embedding.forward(tf.tensor1d(atRows(ids.values, step), 'int32')), ids, step };
}

/** Leaves out what the mask hides, but for sequences of which hidden positions are needed. */
function packed({ attention_mask, whole }: TextBatch, given: Step, ids: Matrix | undefined, neededOf: Needed | undefined): Step {
  const needed = whole ? undefined : neededOf?.(given, ids);
  if (!needed) return given;
  // To pick rows costs something, too.
  const isFew = needed.length <= 0.75 * given.batch * given.length;
  const step: Step = isFew && needed.length > 0 ? { ...given, needed: Int32Array.from(needed) } : given;
  if (!attention_mask) return step;
  const { values, columns } = toMatrix(attention_mask, 'attention_mask');
  const kept = new Uint8Array(step.batch * step.length);
  for (let b = 0; b < step.batch; b++)
    for (let t = 0; t < step.length; t++) if (values[b * columns + step.pastLength + t]) kept[b * step.length + t] = 1;
  for (const position of needed)
    if (!kept[position]) {
      // Padding that may look at nothing looks at all positions alike, hidden ones too.
      const start = position - (position % step.length);
      kept.fill(1, start, start + step.length);
    }
  const rows = Int32Array.from(kept.keys()).filter((position) => kept[position]);
  return rows.length < kept.length ? { ...step, rows } : step;
}

interface Layer<S> extends Module {
  forward(x: tf.Tensor2D, step: S, layer: number): tf.Tensor2D;
}

/** What a layer gives. Of what else it computes only what gradients need is kept, and what the step is asked for. */
export function runLayer<S extends object>(layer: Layer<S>, x: tf.Tensor2D, step: S, index: number): tf.Tensor2D {
  const { present } = step as Partial<Step>;
  if (isCheckpointing() && !present) return checkpoint(layer, { x, step }, ({ x, step }) => layer.forward(x, step, index));
  return tf.tidy(() => ({ out: layer.forward(x, step, index), present: present?.[index] as tf.NamedTensorMap | undefined })).out;
}

/**
 * Runs layers one after the other; of the last one only what is needed behind it.
 * @param hidden [N, C]
 * @returns activations, and the step as it is for them
 */
export function runLayers<S extends Step>(layers: readonly Layer<S>[], hidden: tf.Tensor2D, step: S): { hidden: tf.Tensor2D; step: S } {
  const { needed: outputs } = step;
  const last = layers.length - 1;
  const result = layers.reduce((x, layer, i) => runLayer(layer, x, outputs && i === last ? { ...step, outputs } : step, i), hidden);
  return { hidden: result, step: outputs ? { ...step, rows: outputs } : step };
}

/** Of a layer's inputs [N, C] those at the positions that it gives. */
export const atOutputs = <T extends tf.Tensor2D>(x: T, step: Step): T =>
  step.outputs ? (gatherRows(x, rowsOf(step.outputs, step)) as T) : x;

/** How what a layer gives stands in the batch. */
export const outputLayout = ({ batch, length, rows, outputs = rows }: Step): BatchLayout => ({ batch, length, rows: outputs });

/** Of what is given for all B·T positions that of the positions that are computed. */
export const atRows = (values: Int32Array, { rows }: BatchLayout): Int32Array => (rows ? rows.map((row) => values[row] as number) : values);

/** Of each sequence its first position. */
export const firstPositions = ({ batch, length }: BatchLayout): number[] => Array.from({ length: batch }, (_, b) => b * length);

/** The rows of activations in which positions, numbered among B·T, stand. */
export function rowsOf(positions: ArrayLike<number>, { rows }: BatchLayout): number[] {
  if (!rows) return Array.from(positions);
  const places = new Map([...rows].map((position, row) => [position, row]));
  return Array.from(positions, (position) => places.get(position) as number);
}

/** Positions [N]: as given, else counted on from the past. */
export function positionsOf(batch: TextBatch, step: Step): Int32Array {
  return atRows(allPositions(batch, step), step);
}

function allPositions({ position_ids }: TextBatch, { batch, length, pastLength }: Step): Int32Array {
  if (position_ids === undefined) return Int32Array.from({ length: batch * length }, (_, i) => pastLength + (i % length));
  const given = toMatrix(position_ids, 'position_ids');
  if (given.columns !== length) throw new Error(`position_ids has ${given.columns} columns for ${length} positions`);
  return given.rows === batch ? given.values : Int32Array.from({ length: batch * length }, (_, i) => given.values[i % length] as number);
}

/** Positions [N]: as given, else counted over what the mask lets attend; padding has -1. */
export function attendedPositions(batch: TextBatch, step: Step): Int32Array {
  if (batch.position_ids !== undefined || batch.attention_mask === undefined) return positionsOf(batch, step);
  const { values, rows, columns } = toMatrix(batch.attention_mask, 'attention_mask');
  const positions = new Int32Array(rows * step.length);
  for (let b = 0; b < rows; b++)
    for (let s = 0, seen = 0; s < columns; s++) {
      const attended = values[b * columns + s] !== 0;
      if (s >= step.pastLength) positions[b * step.length + s - step.pastLength] = attended ? seen : -1;
      if (attended) seen++;
    }
  return atRows(positions, step);
}

/**
 * The mask [B or 1, 1, T or 1, S] that hides padding, and in causal models what comes later or lies further back than a window.
 * @returns nothing where nothing is hidden
 */
export function attentionMask(
  { attention_mask }: TextBatch,
  step: Step,
  { causal, window }: { causal: boolean; window?: number | null },
): tf.Tensor | undefined {
  const { batch, length, pastLength, start = pastLength } = step;
  const total = pastLength + length;
  const columns = keyCount(step); // S
  const given = attention_mask && toMatrix(attention_mask, 'attention_mask');
  if (given && given.columns !== total)
    throw new Error(`attention_mask has ${given.columns} columns for ${total} positions, ${pastLength} of them in past_key_values`);
  const padded = given?.values.includes(0) ? given : undefined;
  const slides = window !== undefined && window !== null && window < total;
  if (!padded && !slides && columns === total && (!causal || (length === 1 && start === pastLength))) return undefined;
  const rows = padded ? batch : 1;
  const queries = causal ? length : 1;
  const mask = new Float32Array(rows * queries * columns);
  for (let b = 0, at = 0; b < rows; b++)
    for (let t = 0; t < queries; t++)
      for (let s = 0; s < columns; s++, at++) {
        const later = s >= total || (causal && s > start + t);
        const gone = slides && causal && s <= start + t - (window as number);
        if (later || gone || padded?.values[b * total + s] === 0) mask[at] = HIDDEN;
      }
  return tf.tensor4d(mask, [rows, 1, queries, columns]);
}
