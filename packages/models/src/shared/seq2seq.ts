import {
  type BatchLayout,
  type EmbeddingLayer,
  type KeyValue,
  type ModelConfig,
  type ModelOutput,
  reshape,
  type TextBatch,
} from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import { toMatrix } from './ids';
import { attentionMask, openStep, type Step } from './step';

/** What the layers of a decoder share that also looks at an encoder's output. */
export interface DecoderStep extends Step {
  /** The encoder's hidden states [N, C] and how they stand in the batch; absent where the cache holds what follows from them. */
  memory?: { hidden: tf.Tensor2D; layout: BatchLayout };
  /** Hides the padding of the encoder's input from cross attention. */
  crossMask?: tf.Tensor;
}

/** The encoder's last hidden states [N, C] and how they stand in the batch. */
export interface Encoded {
  hidden: tf.Tensor2D;
  layout: Pick<BatchLayout, 'length' | 'rows'>;
}

/** The two halves of an encoder–decoder model. */
export interface Halves {
  /** Runs the encoder on what the batch gives it. */
  encode(): Encoded;
  /** Embeds what the decoder reads. */
  embed: EmbeddingLayer;
  /** From embedded inputs to the last hidden states. */
  decode(embedded: tf.Tensor2D, step: DecoderStep): tf.Tensor2D;
}

/**
 * Runs an encoder of token ids or of embedded inputs.
 * @param layers from embedded inputs to the last hidden states
 * @param lossOnly nothing but the loss is wanted: what does not change it is left out
 */
export function encodeText(
  { attention_mask, input_ids, inputs_embeds, whole }: TextBatch,
  embed: EmbeddingLayer,
  layers: (embedded: tf.Tensor2D, step: Step) => tf.Tensor2D,
  lossOnly = false,
): Encoded {
  const source = { ...(attention_mask && { attention_mask }) };
  const inputs = { ...source, ...(input_ids && { input_ids }), ...(inputs_embeds && { inputs_embeds }) };
  const { hidden, step } = openStep(inputs, embed, lossOnly && !whole ? () => [] : undefined);
  const mask = attentionMask(source, step, { causal: false });
  return { hidden: layers(hidden, { ...step, ...(mask && { mask }) }), layout: step };
}

export interface Seq2SeqRun {
  hidden: tf.Tensor2D; // [N', C]
  step: DecoderStep;
  /** The encoder's hidden states [B·S, C]; absent where a cache stands for them, or padding was left out. */
  encoded?: tf.Tensor2D;
}

/** Runs encoder and decoder; the encoder only where neither its output nor a cache of it is given. */
export function runSeq2Seq(
  batch: Omit<TextBatch, 'input_ids' | 'inputs_embeds'>,
  config: ModelConfig,
  { encode, embed, decode }: Halves,
): Seq2SeqRun {
  const { attention_mask, encoder_outputs, past_key_values: past, use_cache } = batch;
  const cached = past?.[0]?.cross;
  const memory = encoder_outputs ? outputsOf(encoder_outputs) : cached ? undefined : encode();
  const length = memory?.layout.length ?? (cached?.key.shape[2] as number); // S
  const { hidden, step: counted } = openStep(
    { ...decoderInputs(batch, config), ...(past && { past_key_values: past }), ...(use_cache && { use_cache }) },
    embed,
  );
  const opened = { ...counted, ...startOf(batch, counted) };
  const mask = attentionMask(batch.decoder_attention_mask ? { attention_mask: batch.decoder_attention_mask } : {}, opened, {
    causal: true,
  });
  const crossMask = attentionMask(
    { ...(attention_mask && { attention_mask }) },
    { batch: opened.batch, length, pastLength: 0 },
    { causal: false },
  );
  const step: DecoderStep = {
    ...opened,
    ...(mask && { mask }),
    ...(crossMask && { crossMask }),
    ...(memory && !cached && { memory: { hidden: memory.hidden, layout: { batch: opened.batch, length, rows: memory.layout.rows } } }),
  };
  return { hidden: decode(hidden, step), step, ...(memory && !memory.layout.rows && { encoded: memory.hidden }) };
}

function outputsOf({ last_hidden_state: states }: NonNullable<TextBatch['encoder_outputs']>): Encoded {
  const [, length, width] = states.shape;
  return { hidden: reshape<tf.Tensor2D>(states, [-1, width]), layout: { length } };
}

/** What the decoder reads: as given, else the labels a place further right. */
function decoderInputs({ decoder_input_ids, decoder_inputs_embeds, labels }: TextBatch, config: ModelConfig): TextBatch {
  if (decoder_input_ids && decoder_inputs_embeds) throw new Error('give either decoder_input_ids or decoder_inputs_embeds');
  if (decoder_inputs_embeds) return { inputs_embeds: decoder_inputs_embeds };
  if (decoder_input_ids) return { input_ids: decoder_input_ids };
  if (labels) return { input_ids: shiftRight(labels as never, config) };
  throw new Error('an encoder–decoder model needs decoder_input_ids, decoder_inputs_embeds or labels');
}

/** Where the decoder's inputs begin, if that is said. */
function startOf({ cache_position }: TextBatch, { length }: Step): Pick<Step, 'start'> {
  if (!cache_position) return {};
  const start = cache_position[0] as number;
  if (cache_position.length !== length || cache_position.some((position, i) => position !== start + i))
    throw new Error(`cache_position must be ${length} positions, one after the other, not [${cache_position.join(', ')}]`);
  return { start };
}

/** Ids [B, T] a place further right, behind the decoder's start token; what is ignored becomes padding. */
export function shiftRight(
  ids: NonNullable<TextBatch['input_ids']>,
  { decoder_start_token_id: start, pad_token_id: pad }: ModelConfig,
): number[][] {
  if (typeof start !== 'number')
    throw new Error('the config has no decoder_start_token_id: set model.config.decoder_start_token_id, or give decoder_input_ids');
  const { values, rows, columns } = toMatrix(ids, 'labels');
  if (values.includes(-100) && typeof pad !== 'number')
    throw new Error('labels that do not count become padding, and the config has no pad_token_id: set model.config.pad_token_id');
  return Array.from({ length: rows }, (_, row) => {
    const before = Array.from(values.subarray(row * columns, (row + 1) * columns - 1), (id) => (id === -100 ? (pad as number) : id));
    return [start, ...before];
  });
}

/** A layer's keys and values of the encoder's output: computed once, then from the cache. */
export function crossKeyValue(step: DecoderStep, layer: number, project: (hidden: tf.Tensor2D, layout: BatchLayout) => KeyValue): KeyValue {
  const cached = step.past?.[layer]?.cross;
  const { hidden, layout } = step.memory ?? {};
  const cross = cached ?? project(hidden as tf.Tensor2D, layout as BatchLayout);
  if (step.present) step.present[layer] = { ...(step.present[layer] as KeyValue), cross };
  return cross;
}

/** The encoder's output as a model gives it, [B, S, C]. */
export const encoderOutput = ({ encoded, step }: Seq2SeqRun): Pick<ModelOutput, 'encoder_last_hidden_state'> =>
  encoded ? { encoder_last_hidden_state: reshape<tf.Tensor3D>(encoded, [step.batch, -1, encoded.shape[1]]) } : {};
