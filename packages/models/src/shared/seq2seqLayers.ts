import {
  activation,
  add,
  attention,
  type BatchLayout,
  dropout,
  type KeyValue,
  kind,
  type Layer,
  LayerNorm,
  Linear,
  Module,
  splitHeads,
} from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import { withPast } from './cache';
import { crossKeyValue, type DecoderStep } from './seq2seq';
import type { Step } from './step';

/** What the layers of BART and its kin read of a config. */
export interface Seq2SeqConfig {
  d_model: number;
  encoder_ffn_dim: number;
  encoder_attention_heads: number;
  decoder_ffn_dim: number;
  decoder_attention_heads: number;
  activation_function: string;
  dropout: number;
  attention_dropout: number;
  activation_dropout: number;
  init_std: number;
}

/** In what they differ. */
export interface Seq2SeqVariant {
  /** Whether the norm stands before each part of a layer, or behind the sum with its input. */
  normFirst: boolean;
  keyBias: boolean;
}

class Seq2SeqAttention extends Module {
  static override readonly [kind] = 'Seq2SeqAttention';
  readonly k_proj: Layer;
  readonly v_proj: Layer;
  readonly q_proj: Layer;
  readonly out_proj: Layer;
  readonly heads: number;
  readonly headSize: number;
  readonly dropout: number;

  constructor({ d_model: C, init_std: std, attention_dropout }: Seq2SeqConfig, heads: number, keyBias: boolean) {
    super();
    this.k_proj = new Linear(C, C, keyBias, std);
    this.v_proj = new Linear(C, C, true, std);
    this.q_proj = new Linear(C, C, true, std);
    this.out_proj = new Linear(C, C, true, std);
    this.heads = heads;
    this.headSize = C / heads;
    this.dropout = attention_dropout;
  }

  /** @param x [N, C] */
  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const { key, value } = this.keyValue(x, step);
    return this.attend(x, step, withPast(step, layer, key, value), step.mask);
  }

  /** Attends to the encoder's output. @param x [N, C] */
  cross(x: tf.Tensor2D, step: DecoderStep, layer: number): tf.Tensor2D {
    return this.attend(
      x,
      step,
      crossKeyValue(step, layer, (hidden, layout) => this.keyValue(hidden, layout)),
      step.crossMask,
    );
  }

  private keyValue(x: tf.Tensor2D, layout: BatchLayout): KeyValue {
    return { key: splitHeads(this.k_proj.forward(x), layout, this.heads), value: splitHeads(this.v_proj.forward(x), layout, this.heads) }; // [B, H, S, D]
  }

  private attend(x: tf.Tensor2D, step: Step, { key, value }: KeyValue, mask?: tf.Tensor): tf.Tensor2D {
    const query = splitHeads(this.q_proj.forward(x), step, this.heads); // [B, H, T, D]
    const { dropout, training } = this;
    return this.out_proj.forward(attention({ query, key, value, scale: this.headSize ** -0.5, mask, rows: step.rows, dropout, training }));
  }
}

/** A layer of the encoder: attention to itself, then two linear layers. */
export class Seq2SeqEncoderLayer extends Module {
  static override readonly [kind] = 'Seq2SeqEncoderLayer';
  readonly self_attn: Seq2SeqAttention;
  readonly self_attn_layer_norm: LayerNorm;
  readonly fc1: Layer;
  readonly fc2: Layer;
  readonly final_layer_norm: LayerNorm;
  readonly config: Seq2SeqConfig;
  readonly normFirst: boolean;

  constructor(config: Seq2SeqConfig, { normFirst, keyBias }: Seq2SeqVariant) {
    super();
    const { d_model: C, encoder_ffn_dim: inner, encoder_attention_heads: H, init_std: std } = config;
    this.self_attn = new Seq2SeqAttention(config, H, keyBias);
    this.self_attn_layer_norm = new LayerNorm(C);
    this.fc1 = new Linear(C, inner, true, std);
    this.fc2 = new Linear(inner, C, true, std);
    this.final_layer_norm = new LayerNorm(C);
    this.config = config;
    this.normFirst = normFirst;
  }

  /** @param x [N, C] */
  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const attended = residual(this, this.self_attn_layer_norm, x, (y) => this.self_attn.forward(y, step, layer));
    return residual(this, this.final_layer_norm, attended, (y) => feedForward(this, y));
  }
}

/** A layer of the decoder: it also attends to the encoder's output. */
export class Seq2SeqDecoderLayer extends Module {
  static override readonly [kind] = 'Seq2SeqDecoderLayer';
  readonly self_attn: Seq2SeqAttention;
  readonly self_attn_layer_norm: LayerNorm;
  readonly encoder_attn: Seq2SeqAttention;
  readonly encoder_attn_layer_norm: LayerNorm;
  readonly fc1: Layer;
  readonly fc2: Layer;
  readonly final_layer_norm: LayerNorm;
  readonly config: Seq2SeqConfig;
  readonly normFirst: boolean;

  constructor(config: Seq2SeqConfig, { normFirst, keyBias }: Seq2SeqVariant) {
    super();
    const { d_model: C, decoder_ffn_dim: inner, decoder_attention_heads: H, init_std: std } = config;
    this.self_attn = new Seq2SeqAttention(config, H, keyBias);
    this.self_attn_layer_norm = new LayerNorm(C);
    this.encoder_attn = new Seq2SeqAttention(config, H, keyBias);
    this.encoder_attn_layer_norm = new LayerNorm(C);
    this.fc1 = new Linear(C, inner, true, std);
    this.fc2 = new Linear(inner, C, true, std);
    this.final_layer_norm = new LayerNorm(C);
    this.config = config;
    this.normFirst = normFirst;
  }

  /** @param x [N, C] */
  forward(x: tf.Tensor2D, step: DecoderStep, layer: number): tf.Tensor2D {
    const attended = residual(this, this.self_attn_layer_norm, x, (y) => this.self_attn.forward(y, step, layer));
    const crossed = residual(this, this.encoder_attn_layer_norm, attended, (y) => this.encoder_attn.cross(y, step, layer));
    return residual(this, this.final_layer_norm, crossed, (y) => feedForward(this, y));
  }
}

type AnyLayer = Seq2SeqEncoderLayer | Seq2SeqDecoderLayer;

function residual(
  { normFirst, config, training }: AnyLayer,
  norm: LayerNorm,
  x: tf.Tensor2D,
  part: (x: tf.Tensor2D) => tf.Tensor2D,
): tf.Tensor2D {
  const sum = add(x, dropout(part(normFirst ? norm.forward(x) : x), config.dropout, training));
  return normFirst ? sum : norm.forward(sum);
}

function feedForward({ fc1, fc2, config, training }: AnyLayer, x: tf.Tensor2D): tf.Tensor2D {
  return fc2.forward(dropout(activation(config.activation_function)(fc1.forward(x)), config.activation_dropout, training));
}
