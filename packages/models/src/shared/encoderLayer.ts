import { activation, add, attention, dropout, gatherRows, kind, type Layer, LayerNorm, Linear, Module, splitHeads, tanh } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import { withPast } from './cache';
import { atOutputs, firstPositions, outputLayout, rowsOf, type Step } from './step';

/** What the layers of BERT and its kin read of a config. */
export interface EncoderConfig {
  hidden_size: number;
  num_attention_heads: number;
  intermediate_size: number;
  hidden_act: string;
  hidden_dropout_prob: number;
  attention_probs_dropout_prob: number;
  layer_norm_eps: number;
  initializer_range: number;
}

export class SelfAttention extends Module {
  static override readonly [kind] = 'EncoderSelfAttention';
  readonly query: Layer;
  readonly key: Layer;
  readonly value: Layer;
  readonly heads: number;
  readonly headSize: number;
  readonly dropout: number;

  constructor(
    { hidden_size: C, num_attention_heads: H, initializer_range: std, attention_probs_dropout_prob }: EncoderConfig,
    bias = true,
  ) {
    super();
    this.query = new Linear(C, C, bias, std);
    this.key = new Linear(C, C, bias, std);
    this.value = new Linear(C, C, bias, std);
    this.heads = H;
    this.headSize = C / H;
    this.dropout = attention_probs_dropout_prob;
  }

  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const heads = (y: tf.Tensor2D) => splitHeads(y, step, this.heads); // [B, H, T, D]
    const { key, value } = withPast(step, layer, heads(this.key.forward(x)), heads(this.value.forward(x)));
    const layout = outputLayout(step);
    return attention({
      query: splitHeads(this.query.forward(atOutputs(x, step)), layout, this.heads),
      key,
      value,
      scale: this.headSize ** -0.5,
      mask: step.mask,
      rows: layout.rows,
      dropout: this.dropout,
      training: this.training,
    });
  }
}

/** A linear layer, the residual and a norm: how both halves of a layer end. */
export class ResidualOutput extends Module {
  static override readonly [kind] = 'EncoderResidualOutput';
  readonly dense: Layer;
  readonly LayerNorm: LayerNorm;
  readonly dropout: number;

  constructor(width: number, { hidden_size: C, layer_norm_eps, hidden_dropout_prob, initializer_range: std }: EncoderConfig) {
    super();
    this.dense = new Linear(width, C, true, std);
    this.LayerNorm = new LayerNorm(C, layer_norm_eps);
    this.dropout = hidden_dropout_prob;
  }

  forward(x: tf.Tensor2D, residual: tf.Tensor2D): tf.Tensor2D {
    return this.LayerNorm.forward(add(dropout(this.dense.forward(x), this.dropout, this.training), residual));
  }
}

class Attention extends Module {
  static override readonly [kind] = 'EncoderAttention';
  readonly self: SelfAttention;
  readonly output: ResidualOutput;

  constructor(config: EncoderConfig) {
    super();
    this.self = new SelfAttention(config);
    this.output = new ResidualOutput(config.hidden_size, config);
  }

  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    return this.output.forward(this.self.forward(x, step, layer), atOutputs(x, step));
  }
}

export class Intermediate extends Module {
  static override readonly [kind] = 'EncoderIntermediate';
  readonly dense: Layer;
  readonly act: string;

  constructor(config: EncoderConfig) {
    super();
    this.dense = new Linear(config.hidden_size, config.intermediate_size, true, config.initializer_range);
    this.act = config.hidden_act;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return activation(this.act)(this.dense.forward(x));
  }
}

/** A layer of BERT and RoBERTa: attention and feed-forward, each with a norm behind its residual. */
export class EncoderLayer extends Module {
  static override readonly [kind] = 'EncoderLayer';
  readonly attention: Attention;
  readonly intermediate: Intermediate;
  readonly output: ResidualOutput;

  constructor(config: EncoderConfig) {
    super();
    this.attention = new Attention(config);
    this.intermediate = new Intermediate(config);
    this.output = new ResidualOutput(config.intermediate_size, config);
  }

  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const attended = this.attention.forward(x, step, layer);
    return this.output.forward(this.intermediate.forward(attended), attended);
  }
}

export class Pooler extends Module {
  static override readonly [kind] = 'EncoderPooler';
  readonly dense: Layer;

  constructor({ hidden_size: C, initializer_range: std }: EncoderConfig) {
    super();
    this.dense = new Linear(C, C, true, std);
  }

  /** @param hidden [N, C] @returns [B, C], from each sequence's first token */
  forward(hidden: tf.Tensor2D, step: Step): tf.Tensor2D {
    return tanh(this.dense.forward(firstTokens(hidden, step)));
  }
}

/** Of each sequence the hidden state at its first token. @param hidden [N, C] @returns [B, C] */
export const firstTokens = (hidden: tf.Tensor2D, step: Step): tf.Tensor2D => gatherRows(hidden, rowsOf(firstPositions(step), step));
