/**
 * Whisper (Radford et al. 2022, https://arxiv.org/abs/2212.04356): an encoder of log-mel features, two convolutions and fixed sines
 * before its layers, and a decoder of text with learned positions; norms stand first.
 */
import {
  activation,
  add,
  dropout,
  Embedding,
  type EmbeddingLayer,
  type ForwardOf,
  type Initializer,
  type KeyValueShape,
  kind,
  type Layer,
  LayerNorm,
  type ModelOutput,
  Module,
  Parameter,
  reshape,
  TimeConv,
  transpose,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { WhisperConfig } from './config';
import { type TranscribeOptions, transcribe } from './generate/transcribe';
import { keyValueShapes } from './shared/cache';
import { vocabularyHead } from './shared/decoder';
import { hiddenOutput, labelledOutput } from './shared/heads';
import { PretrainedModel } from './shared/PretrainedModel';
import { featuresOf, type SpeechBatch } from './shared/SpeechBatch';
import { type DecoderStep, encoderOutput, runSeq2Seq, type Seq2SeqRun } from './shared/seq2seq';
import { Seq2SeqDecoderLayer, Seq2SeqEncoderLayer } from './shared/seq2seqLayers';
import { runLayer } from './shared/step';

const variant = { normFirst: true, keyBias: false };

/** Sines, then cosines, of positions times frequencies that fall from 1 to 1/10000. */
const sinusoids: Initializer = ([length, width]) => {
  const half = (width as number) / 2;
  const table = new Float32Array((length as number) * 2 * half);
  for (let t = 0; t < (length as number); t++)
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(t * Math.fround(Math.exp(-Math.fround(Math.log(10000) / (half - 1)) * i)));
      table[t * 2 * half + i] = Math.sin(angle);
      table[t * 2 * half + half + i] = Math.cos(angle);
    }
  return table;
};

class WhisperEncoder extends Module {
  static override readonly [kind] = 'WhisperEncoder';
  readonly conv1: TimeConv;
  readonly conv2: TimeConv;
  /** Fixed, but saved with the weights. */
  readonly embed_positions: { readonly weight: Parameter }; // [S, C]
  readonly layers: Seq2SeqEncoderLayer[];
  readonly layer_norm: LayerNorm;
  readonly config: WhisperConfig;

  constructor(config: WhisperConfig) {
    super();
    const { num_mel_bins, d_model: C, max_source_positions: S, init_std: std } = config;
    this.conv1 = new TimeConv(num_mel_bins, C, 3, { padding: 1, std });
    this.conv2 = new TimeConv(C, C, 3, { stride: 2, padding: 1, std });
    this.embed_positions = { weight: new Parameter([S, C], sinusoids, false) };
    this.layers = Array.from({ length: config.encoder_layers }, () => new Seq2SeqEncoderLayer(config, variant));
    this.layer_norm = new LayerNorm(C);
    this.config = config;
  }

  /** @param features [B, mels, 2·S] */
  forward(features: tf.Tensor3D): tf.Tensor2D {
    const { max_source_positions: S, d_model: C, activation_function } = this.config;
    const [batch] = features.shape;
    const act = activation(activation_function);
    const x = act(this.conv2.forward(act(this.conv1.forward(transpose(features, [0, 2, 1]))))); // [B, S, C]
    const positions = tf.tile(this.embed_positions.weight.value as unknown as tf.Tensor2D, [batch, 1]);
    const placed = add(reshape<tf.Tensor2D>(x, [batch * S, C]), positions);
    const first = dropout(placed, this.config.dropout, this.training);
    const step = { batch, length: S, pastLength: 0 };
    return this.layer_norm.forward(this.layers.reduce((y, layer, i) => runLayer(layer, y, step, i), first)); // [B·S, C]
  }
}

class WhisperDecoder extends Module {
  static override readonly [kind] = 'WhisperDecoder';
  readonly embed_tokens: EmbeddingLayer;
  readonly embed_positions: EmbeddingLayer;
  readonly layers: Seq2SeqDecoderLayer[];
  readonly layer_norm: LayerNorm;
  readonly config: WhisperConfig;

  constructor(config: WhisperConfig) {
    super();
    const { d_model: C, init_std: std } = config;
    this.embed_tokens = new Embedding(config.vocab_size, C, config.pad_token_id, std);
    this.embed_positions = new Embedding(config.max_target_positions, C, null, std);
    this.layers = Array.from({ length: config.decoder_layers }, () => new Seq2SeqDecoderLayer(config, variant));
    this.layer_norm = new LayerNorm(C);
    this.config = config;
  }

  /** @param embedded [B·T, C] */
  forward(embedded: tf.Tensor2D, step: DecoderStep): tf.Tensor2D {
    const { batch, length, pastLength, start = pastLength } = step;
    const known = this.config.max_target_positions;
    if (start + length > known) throw new Error(`${start + length} tokens are more than the ${known} positions of this model's decoder`);
    const positions = Int32Array.from({ length: batch * length }, (_, i) => start + (i % length));
    const placed = add(embedded, this.embed_positions.forward(tf.tensor1d(positions, 'int32')));
    const first = dropout(placed, this.config.dropout, this.training);
    return this.layer_norm.forward(this.layers.reduce((x, layer, i) => runLayer(layer, x, step, i), first)); // [B·T, C]
  }
}

export class WhisperModel extends PretrainedModel<SpeechBatch> {
  static override readonly [kind] = 'WhisperModel';
  declare readonly config: WhisperConfig;
  readonly encoder: WhisperEncoder;
  readonly decoder: WhisperDecoder;

  constructor(config: WhisperConfig) {
    super(config);
    this.encoder = new WhisperEncoder(config);
    this.decoder = new WhisperDecoder(config);
  }

  get main_input_name(): 'input_features' {
    return 'input_features';
  }

  /** As in Python, silence is seen like speech: `attention_mask` is not read. */
  run({ attention_mask: _, ...batch }: SpeechBatch): Seq2SeqRun {
    const { num_mel_bins: mels, max_source_positions: S } = this.config;
    return runSeq2Seq(batch, this.config, {
      encode: () => ({ hidden: this.encoder.forward(featuresOf(batch.input_features, mels, 2 * S)), layout: { length: S } }),
      embed: this.decoder.embed_tokens,
      decode: (embedded, step) => this.decoder.forward(embedded, step),
    });
  }

  forward({ labels: _, ...batch }: SpeechBatch): ModelOutput {
    const run = this.run(batch);
    return { ...hiddenOutput(run.hidden, run.step), ...encoderOutput(run) };
  }

  inputEmbeddings(): Module {
    return this.decoder.embed_tokens;
  }

  keyValueShapes(): readonly KeyValueShape[] {
    return keyValueShapes(this.config);
  }
}

export class WhisperForConditionalGeneration extends PretrainedModel<SpeechBatch> {
  static override readonly [kind] = 'WhisperForConditionalGeneration';
  declare readonly config: WhisperConfig;
  readonly model: WhisperModel;
  readonly proj_out: Layer;

  constructor(config: WhisperConfig) {
    super(config);
    this.model = new WhisperModel(config);
    this.proj_out = vocabularyHead(
      this.model.decoder.embed_tokens as Embedding,
      config.vocab_size,
      config.d_model,
      config.tie_word_embeddings,
      config.init_std,
    );
  }

  get main_input_name(): 'input_features' {
    return 'input_features';
  }

  forward(batch: SpeechBatch): ModelOutput {
    const run = this.model.run(batch);
    return { ...labelledOutput(run.hidden, this.proj_out, batch, run.step, this.training), ...encoderOutput(run) };
  }

  /** Writes down speech; see `TranscribeOptions`. @param forward what computes instead of this model, e.g. one with adapters on it */
  generate(
    options: TranscribeOptions,
    forward: ForwardOf<WhisperForConditionalGeneration> = (batch) => this.forward(batch),
  ): Promise<number[][]> {
    return transcribe(this, options, forward);
  }

  inputEmbeddings(): Module {
    return this.model.inputEmbeddings();
  }

  outputEmbeddings(): Module {
    return this.proj_out;
  }

  keyValueShapes(): readonly KeyValueShape[] {
    return this.model.keyValueShapes();
  }
}
