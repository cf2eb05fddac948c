/**
 * T5 (Raffel et al. 2019, https://arxiv.org/abs/1910.10683), and with other settings mT5: pre-norm encoder and decoder with RMSNorm,
 * relative positions that the first layer of each half holds for all, and attention scores that are not scaled.
 */
import {
  activation,
  add,
  attention,
  type BatchLayout,
  dropout,
  Embedding,
  type EmbeddingLayer,
  kind,
  type Layer,
  Linear,
  type ModelOutput,
  Module,
  multiply,
  RMSNorm,
  reshape,
  scale,
  splitHeads,
  type TextBatch,
  transpose,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { T5Config } from './config';
import { keyCount, withPast } from './shared/cache';
import { vocabularyHead } from './shared/decoder';
import { givesLossOnly, hiddenOutput, labelledOutput } from './shared/heads';
import { crossKeyValue, type DecoderStep, encoderOutput, encodeText, runSeq2Seq, type Seq2SeqRun } from './shared/seq2seq';
import { runLayer } from './shared/step';
import { TextModel } from './shared/TextModel';

/** What T5's layers share in one forward pass. */
interface T5Step extends DecoderStep {
  /** Added to the scores of self attention, [1, H, T, S]. */
  bias: tf.Tensor4D;
}

class T5Attention extends Module {
  static override readonly [kind] = 'T5Attention';
  readonly q: Layer;
  readonly k: Layer;
  readonly v: Layer;
  readonly o: Layer;
  readonly relative_attention_bias: EmbeddingLayer | null; // [buckets, H]
  readonly heads: number;
  readonly dropout: number;

  constructor(config: T5Config, hasBias: boolean) {
    super();
    const { d_model: C, d_kv: D, num_heads: H, initializer_factor: factor } = config;
    this.q = new Linear(C, H * D, false, factor * (C * D) ** -0.5);
    this.k = new Linear(C, H * D, false, factor * C ** -0.5);
    this.v = new Linear(C, H * D, false, factor * C ** -0.5);
    this.o = new Linear(H * D, C, false, factor * (H * D) ** -0.5);
    this.relative_attention_bias = hasBias ? new Embedding(config.relative_attention_num_buckets, H, null, factor * C ** -0.5) : null;
    this.heads = H;
    this.dropout = config.dropout_rate;
  }

  /** @param x [B·T, C] */
  forward(x: tf.Tensor2D, step: T5Step, layer: number): tf.Tensor2D {
    return this.attend(
      x,
      step,
      withPast(step, layer, this.split(this.k.forward(x), step), this.split(this.v.forward(x), step)),
      step.mask,
      step.bias,
    );
  }

  /** Attends to the encoder's output. @param x [B·T, C] */
  cross(x: tf.Tensor2D, step: T5Step, layer: number): tf.Tensor2D {
    const keyValue = crossKeyValue(step, layer, (hidden, layout) => ({
      key: this.split(this.k.forward(hidden), layout),
      value: this.split(this.v.forward(hidden), layout),
    }));
    return this.attend(x, step, keyValue, step.crossMask);
  }

  private attend(
    x: tf.Tensor2D,
    step: T5Step,
    { key, value }: { key: tf.Tensor4D; value: tf.Tensor4D },
    mask?: tf.Tensor,
    bias?: tf.Tensor,
  ): tf.Tensor2D {
    const query = this.split(this.q.forward(x), step); // [B, H, T, D]
    const { dropout, training } = this;
    return this.o.forward(attention({ query, key, value, scale: 1, mask, bias, rows: step.rows, dropout, training }));
  }

  private split(y: tf.Tensor2D, layout: BatchLayout): tf.Tensor4D {
    return splitHeads(y, layout, this.heads);
  }
}

class T5LayerSelfAttention extends Module {
  static override readonly [kind] = 'T5LayerSelfAttention';
  readonly SelfAttention: T5Attention;
  readonly layer_norm: RMSNorm;
  readonly dropout: number;

  constructor(config: T5Config, hasBias: boolean) {
    super();
    this.SelfAttention = new T5Attention(config, hasBias);
    this.layer_norm = new RMSNorm(config.d_model, config.layer_norm_epsilon);
    this.dropout = config.dropout_rate;
  }

  forward(x: tf.Tensor2D, step: T5Step, layer: number): tf.Tensor2D {
    return add(x, dropout(this.SelfAttention.forward(this.layer_norm.forward(x), step, layer), this.dropout, this.training));
  }
}

class T5LayerCrossAttention extends Module {
  static override readonly [kind] = 'T5LayerCrossAttention';
  readonly EncDecAttention: T5Attention;
  readonly layer_norm: RMSNorm;
  readonly dropout: number;

  constructor(config: T5Config) {
    super();
    this.EncDecAttention = new T5Attention(config, false);
    this.layer_norm = new RMSNorm(config.d_model, config.layer_norm_epsilon);
    this.dropout = config.dropout_rate;
  }

  forward(x: tf.Tensor2D, step: T5Step, layer: number): tf.Tensor2D {
    return add(x, dropout(this.EncDecAttention.cross(this.layer_norm.forward(x), step, layer), this.dropout, this.training));
  }
}

class T5DenseActDense extends Module {
  static override readonly [kind] = 'T5DenseActDense';
  readonly wi: Layer;
  readonly wo: Layer;
  readonly act: string;
  readonly dropout: number;

  constructor({ d_model: C, d_ff, initializer_factor: factor, dense_act_fn, dropout_rate }: T5Config) {
    super();
    this.wi = new Linear(C, d_ff, false, factor * C ** -0.5);
    this.wo = new Linear(d_ff, C, false, factor * d_ff ** -0.5);
    this.act = dense_act_fn;
    this.dropout = dropout_rate;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return this.wo.forward(dropout(activation(this.act)(this.wi.forward(x)), this.dropout, this.training));
  }
}

class T5DenseGatedActDense extends Module {
  static override readonly [kind] = 'T5DenseGatedActDense';
  readonly wi_0: Layer;
  readonly wi_1: Layer;
  readonly wo: Layer;
  readonly act: string;
  readonly dropout: number;

  constructor({ d_model: C, d_ff, initializer_factor: factor, dense_act_fn, dropout_rate }: T5Config) {
    super();
    this.wi_0 = new Linear(C, d_ff, false, factor * C ** -0.5);
    this.wi_1 = new Linear(C, d_ff, false, factor * C ** -0.5);
    this.wo = new Linear(d_ff, C, false, factor * d_ff ** -0.5);
    this.act = dense_act_fn;
    this.dropout = dropout_rate;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    const gated = multiply(activation(this.act)(this.wi_0.forward(x)), this.wi_1.forward(x));
    return this.wo.forward(dropout(gated, this.dropout, this.training));
  }
}

class T5LayerFF extends Module {
  static override readonly [kind] = 'T5LayerFF';
  readonly DenseReluDense: Layer;
  readonly layer_norm: RMSNorm;
  readonly dropout: number;

  constructor(config: T5Config) {
    super();
    this.DenseReluDense = config.is_gated_act ? new T5DenseGatedActDense(config) : new T5DenseActDense(config);
    this.layer_norm = new RMSNorm(config.d_model, config.layer_norm_epsilon);
    this.dropout = config.dropout_rate;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return add(x, dropout(this.DenseReluDense.forward(this.layer_norm.forward(x)), this.dropout, this.training));
  }
}

class T5Block extends Module {
  static override readonly [kind] = 'T5Block';
  readonly layer: readonly (T5LayerSelfAttention | T5LayerCrossAttention | T5LayerFF)[];

  constructor(config: T5Config, isDecoder: boolean, hasBias: boolean) {
    super();
    this.layer = [
      new T5LayerSelfAttention(config, hasBias),
      ...(isDecoder ? [new T5LayerCrossAttention(config)] : []),
      new T5LayerFF(config),
    ];
  }

  forward(x: tf.Tensor2D, step: T5Step, layer: number): tf.Tensor2D {
    return this.layer.reduce((hidden, part) => part.forward(hidden, step, layer), x);
  }
}

/** The encoder or the decoder. */
class T5Stack extends Module {
  static override readonly [kind] = 'T5Stack';
  readonly block: T5Block[];
  readonly final_layer_norm: RMSNorm;
  readonly config: T5Config;
  readonly isDecoder: boolean;

  constructor(config: T5Config, isDecoder: boolean) {
    super();
    const layers = isDecoder ? config.num_decoder_layers : config.num_layers;
    this.block = Array.from({ length: layers }, (_, layer) => new T5Block(config, isDecoder, layer === 0));
    this.final_layer_norm = new RMSNorm(config.d_model, config.layer_norm_epsilon);
    this.config = config;
    this.isDecoder = isDecoder;
  }

  /** @param embedded [N, C] */
  forward(embedded: tf.Tensor2D, opened: DecoderStep): tf.Tensor2D {
    const drop = (x: tf.Tensor2D) => dropout(x, this.config.dropout_rate, this.training);
    const step: T5Step = { ...opened, bias: this.bias(opened) };
    const hidden = this.block.reduce((x, block, layer) => runLayer(block, x, step, layer), drop(embedded)); // [B·T, C]
    return drop(this.final_layer_norm.forward(hidden));
  }

  /** What the distance of two positions adds to their score in every layer, [1, H, T, S]. */
  private bias(step: DecoderStep): tf.Tensor4D {
    const { length: T, pastLength, start = pastLength } = step;
    const { relative_attention_num_buckets: buckets, relative_attention_max_distance: distance, num_heads: H } = this.config;
    const S = keyCount(step);
    const bucketOf = relativeBuckets(Math.max(S, start + T), buckets, distance, !this.isDecoder);
    const ids = Int32Array.from({ length: T * S }, (_, i) => bucketOf((i % S) - start - Math.floor(i / S)));
    const [first] = this.block as [T5Block];
    const table = (first.layer[0] as T5LayerSelfAttention).SelfAttention.relative_attention_bias as EmbeddingLayer;
    const rows = table.forward(tf.tensor1d(ids, 'int32')); // [T·S, H]
    return reshape(transpose(rows), [1, H, T, S]);
  }
}

/**
 * The bucket of a distance, key minus query: near ones have their own, further ones share on a logarithmic scale.
 * @param positions distances are below it @param both whether what comes later has buckets of its own
 */
export function relativeBuckets(positions: number, buckets: number, maxDistance: number, both: boolean): (distance: number) => number {
  const side = both ? Math.floor(buckets / 2) : buckets;
  const exact = Math.floor(side / 2);
  // In float32, as PyTorch computes it: a bucket's edge may fall on a whole number.
  const scaleOf = Math.fround(Math.log(maxDistance / exact));
  const far = (n: number) =>
    exact + Math.floor(Math.fround(Math.fround(Math.fround(Math.log(Math.fround(n / exact))) / scaleOf) * (side - exact)));
  const table = Int32Array.from({ length: positions }, (_, n) => (n < exact ? n : Math.min(far(n), side - 1)));
  return (distance) => {
    if (distance > 0) return both ? side + (table[distance] as number) : 0;
    return table[-distance] as number;
  };
}

/** Both halves and the embedding they share; `encoder` and `decoder` have no embedding of their own. */
abstract class T5 extends TextModel {
  static override readonly [kind]: string = 'T5';
  declare readonly config: T5Config;
  readonly shared: EmbeddingLayer;
  readonly encoder: T5Stack;
  readonly decoder: T5Stack;

  constructor(config: T5Config) {
    super(config);
    this.shared = new Embedding(config.vocab_size, config.d_model, null, config.initializer_factor);
    this.encoder = new T5Stack(config, false);
    this.decoder = new T5Stack(config, true);
  }

  /** @param lossOnly as `encodeText` takes it */
  protected run(batch: TextBatch, lossOnly?: boolean): Seq2SeqRun {
    return runSeq2Seq(batch, this.config, {
      encode: () => encodeText(batch, this.shared, (embedded, step) => this.encoder.forward(embedded, step), lossOnly),
      embed: this.shared,
      decode: (embedded, step) => this.decoder.forward(embedded, step),
    });
  }

  inputEmbeddings(): Module {
    return this.shared;
  }
}

export class T5Model extends T5 {
  static override readonly [kind] = 'T5Model';

  forward(batch: TextBatch): ModelOutput {
    const run = this.run(batch);
    return { ...hiddenOutput(run.hidden, run.step), ...encoderOutput(run) };
  }
}

export class T5ForConditionalGeneration extends T5 {
  static override readonly [kind] = 'T5ForConditionalGeneration';
  readonly lm_head: Layer;

  constructor(config: T5Config) {
    super(config);
    this.lm_head = vocabularyHead(
      this.shared as Embedding,
      config.vocab_size,
      config.d_model,
      config.tie_word_embeddings,
      config.initializer_factor,
    );
  }

  forward(batch: TextBatch): ModelOutput {
    const run = this.run(batch, givesLossOnly(batch, this.training));
    // A tied head reads smaller states: the embedding's values are larger than a head's would be.
    const hidden = this.config.tie_word_embeddings ? scale(run.hidden, this.config.d_model ** -0.5) : run.hidden;
    return { ...labelledOutput(hidden, this.lm_head, batch, run.step, this.training), ...encoderOutput(run) };
  }

  override outputEmbeddings(): Module {
    return this.lm_head;
  }
}
