/** DistilBERT (Sanh et al. 2019, https://arxiv.org/abs/1910.01108): BERT with fewer layers and without token types. */
import {
  activation,
  add,
  attention,
  dropout,
  Embedding,
  type EmbeddingLayer,
  type Initializer,
  kind,
  type Layer,
  LayerNorm,
  Linear,
  type ModelOutput,
  Module,
  Parameter,
  relu,
  splitHeads,
  type TextBatch,
} from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { DistilBertConfig } from './config';
import { withPast } from './shared/cache';
import { EncoderQuestionAnswering, EncoderTokenClassifier } from './shared/encoder';
import { lookUpPositions } from './shared/encoderEmbeddings';
import { firstTokens } from './shared/encoderLayer';
import { classHead, classOutput, hiddenOutput } from './shared/heads';
import { toMatrix } from './shared/ids';
import {
  atOutputs,
  attentionMask,
  firstPositions,
  type Needed,
  openStep,
  outputLayout,
  positionsOf,
  runLayers,
  type Step,
} from './shared/step';
import { TextModel } from './shared/TextModel';

// Not in the config: every norm adds this.
const EPS = 1e-12;

class Embeddings extends Module {
  static override readonly [kind] = 'DistilBertEmbeddings';
  readonly word_embeddings: EmbeddingLayer;
  readonly position_embeddings: EmbeddingLayer;
  readonly LayerNorm: LayerNorm;
  readonly dropout: number;

  constructor(config: DistilBertConfig) {
    super();
    const { dim: C, max_position_embeddings: positions, initializer_range: std } = config;
    this.word_embeddings = new Embedding(config.vocab_size, C, config.pad_token_id, std);
    const table = new Embedding(positions, C, null, std);
    this.position_embeddings = config.sinusoidal_pos_embds
      ? Object.assign(table, { weight: new Parameter([positions, C], sinusoids) })
      : table;
    this.LayerNorm = new LayerNorm(C, EPS);
    this.dropout = config.dropout;
  }

  forward(batch: TextBatch, needed?: Needed): { hidden: tf.Tensor2D; step: Step } {
    if (batch.token_type_ids && toMatrix(batch.token_type_ids, 'token_type_ids').values.some((type) => type !== 0))
      throw new Error('DistilBERT has no token types: leave token_type_ids out');
    const { hidden: words, step } = openStep(batch, this.word_embeddings, needed);
    const positions = lookUpPositions(this.position_embeddings, positionsOf(batch, step));
    return { hidden: dropout(this.LayerNorm.forward(add(words, positions)), this.dropout, this.training), step };
  }
}

/** Row p: sin(p / 10000^(2i/C)) at 2i and the cosine beside it. */
const sinusoids: Initializer = ([positions = 0, width = 0]) =>
  Float32Array.from({ length: positions * width }, (_, at) => {
    const i = at % width;
    const angle = Math.floor(at / width) / 10000 ** ((2 * Math.floor(i / 2)) / width);
    return i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });

class MultiHeadSelfAttention extends Module {
  static override readonly [kind] = 'DistilBertSelfAttention';
  readonly q_lin: Layer;
  readonly k_lin: Layer;
  readonly v_lin: Layer;
  readonly out_lin: Layer;
  readonly heads: number;
  readonly headSize: number;
  readonly dropout: number;

  constructor({ dim: C, n_heads: H, initializer_range: std, attention_dropout }: DistilBertConfig) {
    super();
    this.q_lin = new Linear(C, C, true, std);
    this.k_lin = new Linear(C, C, true, std);
    this.v_lin = new Linear(C, C, true, std);
    this.out_lin = new Linear(C, C, true, std);
    this.heads = H;
    this.headSize = C / H;
    this.dropout = attention_dropout;
  }

  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const heads = (y: tf.Tensor2D) => splitHeads(y, step, this.heads); // [B, H, T, D]
    const { key, value } = withPast(step, layer, heads(this.k_lin.forward(x)), heads(this.v_lin.forward(x)));
    const layout = outputLayout(step);
    const attended = attention({
      query: splitHeads(this.q_lin.forward(atOutputs(x, step)), layout, this.heads),
      key,
      value,
      scale: this.headSize ** -0.5,
      mask: step.mask,
      rows: layout.rows,
      dropout: this.dropout,
      training: this.training,
    });
    return this.out_lin.forward(attended);
  }
}

class FeedForward extends Module {
  static override readonly [kind] = 'DistilBertFeedForward';
  readonly lin1: Layer;
  readonly lin2: Layer;
  readonly act: string;
  readonly dropout: number;

  constructor({ dim: C, hidden_dim, activation: act, dropout: rate, initializer_range: std }: DistilBertConfig) {
    super();
    this.lin1 = new Linear(C, hidden_dim, true, std);
    this.lin2 = new Linear(hidden_dim, C, true, std);
    this.act = act;
    this.dropout = rate;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return dropout(this.lin2.forward(activation(this.act)(this.lin1.forward(x))), this.dropout, this.training);
  }
}

class TransformerBlock extends Module {
  static override readonly [kind] = 'DistilBertBlock';
  readonly attention: MultiHeadSelfAttention;
  readonly sa_layer_norm: LayerNorm;
  readonly ffn: FeedForward;
  readonly output_layer_norm: LayerNorm;

  constructor(config: DistilBertConfig) {
    super();
    this.attention = new MultiHeadSelfAttention(config);
    this.sa_layer_norm = new LayerNorm(config.dim, EPS);
    this.ffn = new FeedForward(config);
    this.output_layer_norm = new LayerNorm(config.dim, EPS);
  }

  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const attended = this.sa_layer_norm.forward(add(this.attention.forward(x, step, layer), atOutputs(x, step)));
    return this.output_layer_norm.forward(add(this.ffn.forward(attended), attended));
  }
}

export class DistilBertModel extends TextModel {
  static override readonly [kind] = 'DistilBertModel';
  declare readonly config: DistilBertConfig;
  readonly embeddings: Embeddings;
  readonly transformer: { layer: TransformerBlock[] };

  constructor(config: DistilBertConfig) {
    super(config);
    this.embeddings = new Embeddings(config);
    this.transformer = { layer: Array.from({ length: config.n_layers }, () => new TransformerBlock(config)) };
  }

  run(batch: TextBatch, needed?: Needed): { hidden: tf.Tensor2D; step: Step } {
    const { hidden: embedded, step: opened } = this.embeddings.forward(batch, needed);
    const mask = attentionMask(batch, opened, { causal: false });
    return runLayers(this.transformer.layer, embedded, { ...opened, ...(mask && { mask }) });
  }

  forward(batch: TextBatch): ModelOutput {
    const { hidden, step } = this.run(batch);
    return hiddenOutput(hidden, step);
  }

  inputEmbeddings(): EmbeddingLayer {
    return this.embeddings.word_embeddings;
  }
}

export class DistilBertForSequenceClassification extends TextModel {
  static override readonly [kind] = 'DistilBertForSequenceClassification';
  declare readonly config: DistilBertConfig;
  readonly distilbert: DistilBertModel;
  readonly pre_classifier: Layer;
  readonly classifier: Layer;

  constructor(config: DistilBertConfig) {
    super(config);
    this.distilbert = new DistilBertModel(config);
    this.pre_classifier = new Linear(config.dim, config.dim, true, config.initializer_range);
    this.classifier = classHead(config, config.dim, true);
  }

  forward(batch: TextBatch): ModelOutput {
    const { hidden, step } = this.distilbert.run(batch, firstPositions);
    const pooled = relu(this.pre_classifier.forward(firstTokens(hidden, step))); // [B, C]
    return classOutput(this.classifier.forward(dropout(pooled, this.config.seq_classif_dropout, this.training)), batch, this.config);
  }

  inputEmbeddings(): Module {
    return this.distilbert.inputEmbeddings();
  }
}

export class DistilBertForTokenClassification extends EncoderTokenClassifier {
  static override readonly [kind] = 'DistilBertForTokenClassification';
  declare readonly config: DistilBertConfig;
  readonly distilbert: DistilBertModel;
  readonly classifier: Layer;

  constructor(config: DistilBertConfig) {
    super(config);
    this.distilbert = new DistilBertModel(config);
    this.classifier = classHead(config, config.dim, true);
  }

  protected get encoder(): DistilBertModel {
    return this.distilbert;
  }

  protected get headDropout(): number {
    return this.config.dropout;
  }
}

export class DistilBertForQuestionAnswering extends EncoderQuestionAnswering {
  static override readonly [kind] = 'DistilBertForQuestionAnswering';
  declare readonly config: DistilBertConfig;
  readonly distilbert: DistilBertModel;
  readonly qa_outputs: Layer;

  constructor(config: DistilBertConfig) {
    super(config);
    this.distilbert = new DistilBertModel(config);
    this.qa_outputs = new Linear(config.dim, 2, true, config.initializer_range);
  }

  protected get encoder(): DistilBertModel {
    return this.distilbert;
  }

  protected get headDropout(): number {
    return this.config.qa_dropout;
  }
}
