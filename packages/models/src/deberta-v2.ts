/**
 * DeBERTa, second and third version (He et al. 2020, https://arxiv.org/abs/2006.03654; 2021, https://arxiv.org/abs/2111.09543):
 * encoder whose attention scores content and distance apart.
 */
import {
  activation,
  add,
  conv2d,
  crossEntropy,
  dropout,
  Embedding,
  type EmbeddingLayer,
  gatherRows,
  kaimingUniform,
  kind,
  type Layer,
  LayerNorm,
  Linear,
  type ModelOutput,
  Module,
  multiply,
  Parameter,
  reshape,
  scale,
  softCrossEntropy,
  spreadRows,
  sum,
  type TextBatch,
  uniform,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { DebertaV2Config } from './config';
import { DisentangledSelfAttention, type DistanceStep } from './shared/disentangledAttention';
import { distancesBetween } from './shared/distances';
import { EncoderQuestionAnswering, EncoderTokenClassifier } from './shared/encoder';
import { lookUpPositions, lookUpTypes } from './shared/encoderEmbeddings';
import { firstTokens, Intermediate, ResidualOutput } from './shared/encoderLayer';
import { classHead, classOutput, hiddenOutput } from './shared/heads';
import { toList, toMatrix } from './shared/ids';
import { atRows, firstPositions, HIDDEN, type Needed, openStep, positionsOf, runLayer, type Step } from './shared/step';
import { TextModel } from './shared/TextModel';

class DebertaV2Embeddings extends Module {
  static override readonly [kind] = 'DebertaV2Embeddings';
  readonly word_embeddings: EmbeddingLayer;
  readonly position_embeddings: EmbeddingLayer | null;
  readonly token_type_embeddings: EmbeddingLayer | null;
  readonly embed_proj: Layer | null;
  readonly LayerNorm: LayerNorm;
  readonly dropout: number;

  constructor(config: DebertaV2Config) {
    super();
    const { hidden_size: C, embedding_size: E, initializer_range: std, type_vocab_size: types } = config;
    this.word_embeddings = new Embedding(config.vocab_size, E, config.pad_token_id, std);
    this.position_embeddings = config.position_biased_input ? new Embedding(config.max_position_embeddings, E, null, std) : null;
    this.token_type_embeddings = types > 0 ? new Embedding(types, E, null, std) : null;
    this.embed_proj = E === C ? null : new Linear(E, C, false, std);
    this.LayerNorm = new LayerNorm(C, config.layer_norm_eps);
    this.dropout = config.hidden_dropout_prob;
  }

  forward(batch: TextBatch, needed?: Needed): { hidden: tf.Tensor2D; step: DistanceStep } {
    if (batch.past_key_values)
      throw new Error('DeBERTa takes no past_key_values: keys that come from no token have no distance to others. Use prompts instead');
    const { hidden: words, step: opened } = openStep(batch, this.word_embeddings, needed);
    const step = { ...opened, ...paddingOf(batch, opened) };
    const parts = [words];
    if (this.position_embeddings) parts.push(lookUpPositions(this.position_embeddings, positionsOf(batch, step)));
    if (this.token_type_embeddings) parts.push(lookUpTypes(this.token_type_embeddings, batch, step));
    const sum = add(...parts); // [N, E]
    const normal = this.LayerNorm.forward(this.embed_proj?.forward(sum) ?? sum); // [N, C]
    return { hidden: dropout(step.tokens ? multiply(normal, step.tokens) : normal, this.dropout, this.training), step };
  }
}

/** Padding sees nothing and is seen by nothing. */
function paddingOf({ attention_mask }: TextBatch, step: Step): Pick<DistanceStep, 'mask' | 'tokens' | 'allTokens'> {
  const { batch, length } = step;
  const given = attention_mask && toMatrix(attention_mask, 'attention_mask');
  if (given && given.columns !== length) throw new Error(`attention_mask has ${given.columns} columns for ${length} positions`);
  if (!given?.values.includes(0)) return {};
  const { values } = given;
  const mask = Float32Array.from({ length: batch * length * length }, (_, at) => {
    const row = Math.floor(at / length); // b·T + t
    const first = row - (row % length);
    return values[row] === 0 || values[first + (at % length)] === 0 ? HIDDEN : 0;
  });
  const attended = atRows(values, step);
  return {
    mask: tf.tensor4d(mask, [batch, 1, length, length]),
    tokens: tf.tensor2d(Float32Array.from(attended), [attended.length, 1]),
    allTokens: tf.tensor4d(Float32Array.from(values), [batch, 1, length, 1]),
  };
}

class DebertaV2Attention extends Module {
  static override readonly [kind] = 'DebertaV2Attention';
  readonly self: DisentangledSelfAttention;
  readonly output: ResidualOutput;

  constructor(config: DebertaV2Config) {
    super();
    this.self = new DisentangledSelfAttention(config);
    this.output = new ResidualOutput(config.hidden_size, config);
  }

  forward(x: tf.Tensor2D, step: DistanceStep): tf.Tensor2D {
    return this.output.forward(this.self.forward(x, step), x);
  }
}

class DebertaV2Layer extends Module {
  static override readonly [kind] = 'DebertaV2Layer';
  readonly attention: DebertaV2Attention;
  readonly intermediate: Intermediate;
  readonly output: ResidualOutput;

  constructor(config: DebertaV2Config) {
    super();
    this.attention = new DebertaV2Attention(config);
    this.intermediate = new Intermediate(config);
    this.output = new ResidualOutput(config.intermediate_size, config);
  }

  forward(x: tf.Tensor2D, step: DistanceStep): tf.Tensor2D {
    const attended = this.attention.forward(x, step);
    return this.output.forward(this.intermediate.forward(attended), attended);
  }
}

class Convolution extends Module {
  static override readonly [kind] = 'DebertaV2Convolution';
  readonly weight: Parameter; // [C, C / groups, kernel]
  readonly bias: Parameter; // [C]
  readonly groups: number;

  constructor({ hidden_size: C, conv_kernel_size: kernel, conv_groups: groups }: DebertaV2Config) {
    super();
    const bound = ((C / groups) * kernel) ** -0.5;
    this.weight = new Parameter([C, C / groups, kernel], kaimingUniform);
    this.bias = new Parameter([C], uniform(-bound, bound));
    this.groups = groups;
  }

  /** @param x [N, C] */
  forward(x: tf.Tensor2D, step: Step): tf.Tensor2D {
    const { batch, length, rows } = step;
    const sequences = reshape<tf.Tensor4D>(spreadRows(x, step), [batch, 1, length, -1]);
    const padding = ((this.weight.shape[2] as number) - 1) / 2;
    const all = conv2d(sequences, this.weight, this.bias, { padding: [0, padding], groups: this.groups });
    const flat = reshape<tf.Tensor2D>(all, [batch * length, -1]);
    return rows ? gatherRows(flat, rows) : flat;
  }
}

/** What is beside the first layer: neighbours of the embedded input. */
class ConvLayer extends Module {
  static override readonly [kind] = 'DebertaV2ConvLayer';
  readonly conv: Convolution;
  readonly LayerNorm: LayerNorm;
  readonly act: string;
  readonly dropout: number;

  constructor(config: DebertaV2Config) {
    super();
    this.conv = new Convolution(config);
    this.LayerNorm = new LayerNorm(config.hidden_size, config.layer_norm_eps);
    this.act = config.conv_act;
    this.dropout = config.hidden_dropout_prob;
  }

  forward(embedded: tf.Tensor2D, residual: tf.Tensor2D, step: DistanceStep): tf.Tensor2D {
    const onlyTokens = (x: tf.Tensor2D) => (step.tokens ? multiply(x, step.tokens) : x);
    const seen = onlyTokens(this.conv.forward(embedded, step));
    const beside = activation(this.act)(dropout(seen, this.dropout, this.training));
    return onlyTokens(this.LayerNorm.forward(add(residual, beside)));
  }
}

class DebertaV2Encoder extends Module {
  static override readonly [kind] = 'DebertaV2Encoder';
  readonly layer: DebertaV2Layer[];
  readonly rel_embeddings: EmbeddingLayer | null;
  readonly LayerNorm: LayerNorm | null;
  readonly conv: ConvLayer | null;
  readonly buckets: number;
  readonly largest: number;

  constructor(config: DebertaV2Config) {
    super();
    const { hidden_size: C, position_buckets, max_relative_positions, max_position_embeddings } = config;
    this.layer = Array.from({ length: config.num_hidden_layers }, () => new DebertaV2Layer(config));
    this.buckets = position_buckets;
    this.largest = max_relative_positions < 1 ? max_position_embeddings : max_relative_positions;
    const span = this.buckets > 0 ? this.buckets : this.largest;
    this.rel_embeddings = config.relative_attention ? new Embedding(2 * span, C, null, config.initializer_range) : null;
    const norms = config.norm_rel_ebd.toLowerCase().split('|');
    this.LayerNorm = norms.some((name) => name.trim() === 'layer_norm') ? new LayerNorm(C, config.layer_norm_eps) : null;
    this.conv = config.conv_kernel_size > 0 ? new ConvLayer(config) : null;
  }

  forward(embedded: tf.Tensor2D, opened: DistanceStep): tf.Tensor2D {
    const table = this.rel_embeddings;
    const look = (rows: tf.Tensor1D) => {
      const vectors = (table as EmbeddingLayer).forward(rows);
      return this.LayerNorm?.forward(vectors) ?? vectors;
    };
    const step = table ? { ...opened, distances: distancesBetween(opened.length, this, look) } : opened;
    return this.layer.reduce((x, layer, i) => {
      const out = runLayer(layer, x, step, i);
      return i === 0 && this.conv ? this.conv.forward(embedded, out, step) : out;
    }, embedded);
  }
}

export class DebertaV2Model extends TextModel {
  static override readonly [kind] = 'DebertaV2Model';
  declare readonly config: DebertaV2Config;
  readonly embeddings: DebertaV2Embeddings;
  readonly encoder: DebertaV2Encoder;

  constructor(config: DebertaV2Config) {
    super(config);
    this.embeddings = new DebertaV2Embeddings(config);
    this.encoder = new DebertaV2Encoder(config);
  }

  run(batch: TextBatch, needed?: Needed): { hidden: tf.Tensor2D; step: Step } {
    const { hidden, step } = this.embeddings.forward(batch, needed);
    return { hidden: this.encoder.forward(hidden, step), step };
  }

  forward(batch: TextBatch): ModelOutput {
    const { hidden, step } = this.run(batch);
    return hiddenOutput(hidden, step);
  }

  inputEmbeddings(): EmbeddingLayer {
    return this.embeddings.word_embeddings;
  }
}

class ContextPooler extends Module {
  static override readonly [kind] = 'ContextPooler';
  readonly dense: Layer;
  readonly act: string;
  readonly dropout: number;

  constructor({ pooler_hidden_size: P, pooler_hidden_act: act, pooler_dropout: rate, initializer_range: std }: DebertaV2Config) {
    super();
    this.dense = new Linear(P, P, true, std);
    this.act = act;
    this.dropout = rate;
  }

  /** @param x [B, C], of each sequence's first token @returns [B, C] */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    return activation(this.act)(this.dense.forward(dropout(x, this.dropout, this.training)));
  }
}

export class DebertaV2ForSequenceClassification extends TextModel {
  static override readonly [kind] = 'DebertaV2ForSequenceClassification';
  declare readonly config: DebertaV2Config;
  readonly deberta: DebertaV2Model;
  readonly pooler: ContextPooler;
  readonly classifier: Layer;

  constructor(config: DebertaV2Config) {
    super(config);
    this.deberta = new DebertaV2Model(config);
    this.pooler = new ContextPooler(config);
    this.classifier = classHead(config, config.hidden_size, true);
  }

  forward(batch: TextBatch): ModelOutput {
    const { hidden, step } = this.deberta.run(batch, firstPositions);
    const pooled = this.pooler.forward(firstTokens(hidden, step)); // [B, C]
    const rate = this.config.cls_dropout ?? this.config.hidden_dropout_prob;
    const logits = this.classifier.forward(dropout(pooled, rate, this.training)); // [B, L]
    return this.config.problem_type || batch.labels === undefined || logits.shape[1] === 1
      ? classOutput(logits, batch, this.config)
      : { loss: unnamedLoss(logits, batch.labels), logits };
  }

  inputEmbeddings(): Module {
    return this.deberta.inputEmbeddings();
  }
}

/** DeBERTa's own loss where no `problem_type` is named: negative labels do not count, and several labels are weights of classes. */
function unnamedLoss(logits: tf.Tensor2D, labels: NonNullable<TextBatch['labels']>): tf.Scalar {
  const values = labels instanceof tf.Tensor ? toList(labels) : (labels.flat() as number[]);
  const count = logits.shape[0];
  if (values.length !== count) return softCrossEntropy(logits, tf.tensor2d(values, [count, values.length / count], 'float32'));
  if (values.every((label) => label < 0)) return scale(sum(logits), 0);
  return crossEntropy(
    logits,
    values.map((label) => (label < 0 ? -100 : label)),
  );
}

export class DebertaV2ForTokenClassification extends EncoderTokenClassifier {
  static override readonly [kind] = 'DebertaV2ForTokenClassification';
  declare readonly config: DebertaV2Config;
  readonly deberta: DebertaV2Model;
  readonly classifier: Layer;

  constructor(config: DebertaV2Config) {
    super(config);
    this.deberta = new DebertaV2Model(config);
    this.classifier = classHead(config, config.hidden_size, true);
  }

  protected get encoder(): DebertaV2Model {
    return this.deberta;
  }

  protected get headDropout(): number {
    return this.config.hidden_dropout_prob;
  }
}

export class DebertaV2ForQuestionAnswering extends EncoderQuestionAnswering {
  static override readonly [kind] = 'DebertaV2ForQuestionAnswering';
  declare readonly config: DebertaV2Config;
  readonly deberta: DebertaV2Model;
  readonly qa_outputs: Layer;

  constructor(config: DebertaV2Config) {
    super(config);
    this.deberta = new DebertaV2Model(config);
    this.qa_outputs = new Linear(config.hidden_size, 2, true, config.initializer_range);
  }

  protected get encoder(): DebertaV2Model {
    return this.deberta;
  }

  protected get headDropout(): number {
    return 0;
  }
}
