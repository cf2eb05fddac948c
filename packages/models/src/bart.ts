/** BART (Lewis et al. 2019, https://arxiv.org/abs/1910.13461): post-norm encoder and decoder with learned positions. */
import {
  add,
  dropout,
  Embedding,
  type EmbeddingLayer,
  gatherRows,
  isA,
  kind,
  type Layer,
  LayerNorm,
  Linear,
  type ModelOutput,
  Module,
  Parameter,
  type TextBatch,
  tanh,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { BartConfig } from './config';
import { vocabularyHead } from './shared/decoder';
import { classOutput, givesLossOnly, hiddenOutput, labelCount, labelledOutput } from './shared/heads';
import { toMatrix } from './shared/ids';
import { type DecoderStep, encoderOutput, encodeText, runSeq2Seq, type Seq2SeqRun, shiftRight } from './shared/seq2seq';
import { Seq2SeqDecoderLayer, Seq2SeqEncoderLayer } from './shared/seq2seqLayers';
import { atRows, runLayer } from './shared/step';
import { TextModel } from './shared/TextModel';

/** Rows of the positions' table that stand before position 0, as its checkpoints have them. */
const OFFSET = 2;

const variant = { normFirst: false, keyBias: true };

/** The encoder or the decoder. */
class BartHalf<L extends Seq2SeqEncoderLayer | Seq2SeqDecoderLayer> extends Module {
  static override readonly [kind] = 'BartHalf';
  readonly embed_positions: EmbeddingLayer;
  readonly layers: L[];
  readonly layernorm_embedding: LayerNorm;
  readonly config: BartConfig;

  constructor(config: BartConfig, layers: L[]) {
    super();
    this.embed_positions = new Embedding(config.max_position_embeddings + OFFSET, config.d_model, null, config.init_std);
    this.layers = layers;
    this.layernorm_embedding = new LayerNorm(config.d_model);
    this.config = config;
  }

  /** @param embedded [N, C] */
  forward(embedded: tf.Tensor2D, step: DecoderStep): tf.Tensor2D {
    const { batch, length, pastLength, start = pastLength } = step;
    const known = this.config.max_position_embeddings;
    if (start + length > known)
      throw new Error(`${start + length} positions are more than the ${known} this model knows: shorten the input`);
    const positions = Int32Array.from({ length: batch * length }, (_, i) => OFFSET + start + (i % length));
    const placed = this.layernorm_embedding.forward(
      add(embedded, this.embed_positions.forward(tf.tensor1d(atRows(positions, step), 'int32'))),
    );
    const first = dropout(placed, this.config.dropout, this.training);
    return this.layers.reduce((x, layer, i) => runLayer(layer, x, step, i), first); // [B·T, C]
  }
}

export class BartModel extends TextModel {
  static override readonly [kind] = 'BartModel';
  declare readonly config: BartConfig;
  /** Embeds the tokens of both halves. */
  readonly shared: EmbeddingLayer;
  readonly encoder: BartHalf<Seq2SeqEncoderLayer>;
  readonly decoder: BartHalf<Seq2SeqDecoderLayer>;

  constructor(config: BartConfig) {
    super(config);
    this.shared = new Embedding(config.vocab_size, config.d_model, config.pad_token_id, config.init_std);
    this.encoder = new BartHalf(
      config,
      Array.from({ length: config.encoder_layers }, () => new Seq2SeqEncoderLayer(config, variant)),
    );
    this.decoder = new BartHalf(
      config,
      Array.from({ length: config.decoder_layers }, () => new Seq2SeqDecoderLayer(config, variant)),
    );
  }

  /** @param lossOnly as `encodeText` takes it */
  run(batch: TextBatch, lossOnly?: boolean): Seq2SeqRun {
    return runSeq2Seq(batch, this.config, {
      encode: () => encodeText(batch, this.shared, (embedded, step) => this.encoder.forward(embedded, step), lossOnly),
      embed: this.shared,
      decode: (embedded, step) => this.decoder.forward(embedded, step),
    });
  }

  forward(batch: TextBatch): ModelOutput {
    const run = this.run(readingItself(batch, this.config));
    return { ...hiddenOutput(run.hidden, run.step), ...encoderOutput(run) };
  }

  inputEmbeddings(): Module {
    return this.shared;
  }
}

/** Where nothing is said, the decoder reads what the encoder reads, a place further right. */
function readingItself(batch: TextBatch, config: BartConfig): TextBatch {
  const { labels: _, ...rest } = batch;
  if (rest.decoder_input_ids || rest.decoder_inputs_embeds) return rest;
  if (!rest.input_ids) throw new Error('without decoder_input_ids or decoder_inputs_embeds this model needs input_ids');
  return { ...rest, decoder_input_ids: shiftRight(rest.input_ids, config) };
}

export class BartForConditionalGeneration extends TextModel {
  static override readonly [kind] = 'BartForConditionalGeneration';
  declare readonly config: BartConfig;
  readonly model: BartModel;
  readonly lm_head: Layer;
  readonly final_logits_bias: Parameter; // [1, V]

  constructor(config: BartConfig) {
    super(config);
    this.model = new BartModel(config);
    this.lm_head = vocabularyHead(
      this.model.shared as Embedding,
      config.vocab_size,
      config.d_model,
      config.tie_word_embeddings,
      config.init_std,
    );
    this.final_logits_bias = new Parameter([1, config.vocab_size], undefined, false, 'buffer');
  }

  forward(batch: TextBatch): ModelOutput {
    const run = this.model.run(batch, givesLossOnly(batch, this.training));
    return { ...labelledOutput(run.hidden, this.head(), batch, run.step, this.training), ...encoderOutput(run) };
  }

  /** The head with the bias that stands beside it. */
  private head(): Pick<Layer, 'forward'> {
    const { lm_head: head, final_logits_bias: bias } = this;
    // As one linear layer, so that the loss need not hold all logits.
    if (isA(head, Linear) && !head.bias)
      return Object.assign(new Linear(head.inFeatures, head.outFeatures, false), { weight: head.weight, bias });
    return { forward: (x) => add(head.forward(x), tf.tile(bias.value as unknown as tf.Tensor2D, [x.shape[0], 1])) };
  }

  inputEmbeddings(): Module {
    return this.model.inputEmbeddings();
  }

  override outputEmbeddings(): Module {
    return this.lm_head;
  }
}

class BartClassificationHead extends Module {
  static override readonly [kind] = 'BartClassificationHead';
  readonly dense: Layer;
  readonly out_proj: Layer;
  readonly dropout: number;

  constructor(config: BartConfig) {
    super();
    const { d_model: C, init_std: std } = config;
    this.dense = new Linear(C, C, true, std);
    this.out_proj = new Linear(C, labelCount(config), true, std);
    this.dropout = config.classifier_dropout;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    const drop = (y: tf.Tensor2D) => dropout(y, this.dropout, this.training);
    return this.out_proj.forward(drop(tanh(this.dense.forward(drop(x)))));
  }
}

export class BartForSequenceClassification extends TextModel {
  static override readonly [kind] = 'BartForSequenceClassification';
  declare readonly config: BartConfig;
  readonly model: BartModel;
  readonly classification_head: BartClassificationHead;

  constructor(config: BartConfig) {
    super(config);
    this.model = new BartModel(config);
    this.classification_head = new BartClassificationHead(config);
  }

  forward(batch: TextBatch): ModelOutput {
    if (!batch.input_ids) throw new Error('this model classifies at the last end token, which it needs input_ids to find');
    const { hidden, step } = this.model.run(readingItself(batch, this.config));
    const { values, rows, columns } = toMatrix(batch.input_ids, 'input_ids');
    const ends = Array.from({ length: rows }, (_, b) =>
      values.subarray(b * columns, (b + 1) * columns).lastIndexOf(this.config.eos_token_id as number),
    );
    if (ends.includes(-1))
      throw new Error(
        `row ${ends.indexOf(-1)} of input_ids has no end token (${this.config.eos_token_id}), at which this model classifies`,
      );
    const pooled = gatherRows(
      hidden,
      ends.map((end, b) => b * step.length + end),
    ); // [B, C]
    return classOutput(this.classification_head.forward(pooled), batch, this.config);
  }

  inputEmbeddings(): Module {
    return this.model.inputEmbeddings();
  }
}
