import type * as tf from '@tensorflow/tfjs-core';
import type { Module } from '../module/Module';

/** What `config.json` holds; fields keep the file's spelling. */
export interface ModelConfig {
  model_type: string;
  tie_word_embeddings?: boolean;
  [field: string]: unknown;
}

/** A module that computes something: what an adapter can be put on. */
export interface BaseModel<Input = never, Output = unknown> extends Module {
  readonly config?: ModelConfig;
  /** Where it was loaded from: the `base_model_name_or_path` of adapters. */
  readonly name_or_path?: string;
  /** Its class in Python's library, for adapters without a task type. */
  readonly auto_mapping?: { readonly base_model_class: string; readonly parent_library: string };
  /** The field of a batch that its first layer reads. @default 'input_ids' */
  readonly main_input_name?: string;
  forward(input: Input): Output;
  /** The layer that embeds `input_ids`, as it is now (an adapter may have wrapped it). */
  inputEmbeddings?(): Module;
  /** The layer whose outputs are the vocabulary's logits. */
  outputEmbeddings?(): Module | undefined;
  /** What `past_key_values` holds, layer by layer; empty where `forward` takes none. */
  keyValueShapes?(): readonly KeyValueShape[];
}

/** The heads of a layer's keys and values (those that several heads of the query may share), and their size. */
export interface KeyValueShape {
  readonly heads: number;
  readonly headSize: number;
}

/** Whole numbers of shape [B, T]: nested arrays, or an int32 tensor that stays the caller's. */
export type Ids = readonly (readonly number[])[] | tf.Tensor2D;

/** What models take; names and meaning are those of Hugging Face's forward arguments. */
export interface TextBatch {
  input_ids?: Ids; // [B, T]
  /** Embedded inputs [B, T, C], instead of `input_ids`; float, differentiable. */
  inputs_embeds?: tf.Tensor3D;
  attention_mask?: Ids; // [B, past + T]; 1 = attend
  position_ids?: Ids; // [B, T]
  token_type_ids?: Ids; // [B, T]
  /** Ignored where −100. [B, T] for language models and token classification, [B] for sequence classification. */
  labels?: Ids | readonly number[] | tf.Tensor1D;
  /** What the decoder of an encoder–decoder model reads. @default labels, a place further right */
  decoder_input_ids?: Ids; // [B, T']
  decoder_inputs_embeds?: tf.Tensor3D; // [B, T', C]
  decoder_attention_mask?: Ids; // [B, past + T']
  /** Where an encoder–decoder model's decoder inputs stand, one after the other; later keys are hidden. @default behind what is cached */
  cache_position?: readonly number[]; // [T']
  /** The encoder's output, instead of `input_ids` or `inputs_embeds`; `attention_mask` is still that of its positions. */
  encoder_outputs?: { readonly last_hidden_state: tf.Tensor3D }; // [B, S, C]
  start_positions?: readonly number[] | tf.Tensor1D; // [B]
  end_positions?: readonly number[] | tf.Tensor1D; // [B]
  /** Keys and values of earlier positions, a pair a layer. */
  past_key_values?: KeyValues;
  use_cache?: boolean;
  /** Logits are computed also while training with labels. */
  return_logits?: boolean;
  /** Rows are computed whole, also where padding and what no head reads could be left out. */
  whole?: boolean;
  /** How many columns of each row are the prompt, where generated or trained text follows it; for adapters that put tokens behind it. @default all */
  prompt_length?: number | readonly number[]; // [B]
  /** Logits of so many last positions only. @default all */
  logits_to_keep?: number;
}

/** Keys and values of attention, each [B, H, S, D]. */
export interface KeyValue {
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
}

/** A pair a layer; decoders that look at an encoder's output have those of it beside, which stay the same at every step. */
export type KeyValues = readonly (KeyValue & {
  readonly cross?: KeyValue;
  /** How many of the S positions are taken. Behind them is room: `forward` writes the next ones there, in place and without gradients. @default all */
  readonly length?: number;
})[];

export interface ModelOutput {
  loss?: tf.Scalar;
  /** Absent while training with labels unless `return_logits` is set: then only labelled positions go through the head. */
  logits?: tf.Tensor;
  start_logits?: tf.Tensor2D; // [B, T]
  end_logits?: tf.Tensor2D; // [B, T]
  last_hidden_state?: tf.Tensor; // [B, T, C], or [B, C, height, width] of images
  encoder_last_hidden_state?: tf.Tensor3D; // [B, S, C]
  pooler_output?: tf.Tensor2D; // [B, C]
  past_key_values?: KeyValues;
}
