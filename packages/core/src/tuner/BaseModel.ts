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
  forward(input: Input): Output;
  /** The layer that embeds `input_ids`, as it is now (an adapter may have wrapped it). */
  inputEmbeddings?(): Module;
  /** The layer whose outputs are the vocabulary's logits. */
  outputEmbeddings?(): Module | undefined;
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
  start_positions?: readonly number[] | tf.Tensor1D; // [B]
  end_positions?: readonly number[] | tf.Tensor1D; // [B]
  /** Keys and values of earlier positions, a pair a layer. */
  past_key_values?: KeyValues;
  use_cache?: boolean;
  /** Logits are computed also while training with labels. */
  return_logits?: boolean;
}

/** Keys and values of attention, a pair a layer, each [B, H, S, D]. */
export type KeyValues = readonly { readonly key: tf.Tensor4D; readonly value: tf.Tensor4D }[];

export interface ModelOutput {
  loss?: tf.Scalar;
  /** Absent while training with labels unless `return_logits` is set: then only labelled positions go through the head. */
  logits?: tf.Tensor;
  start_logits?: tf.Tensor2D; // [B, T]
  end_logits?: tf.Tensor2D; // [B, T]
  last_hidden_state?: tf.Tensor3D; // [B, T, C]
  pooler_output?: tf.Tensor2D; // [B, C]
  past_key_values?: KeyValues;
}
