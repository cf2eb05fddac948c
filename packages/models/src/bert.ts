/** BERT (Devlin et al. 2018, https://arxiv.org/abs/1810.04805): post-norm encoder with learned positions and token types. */
import { dropout, type EmbeddingLayer, kind, type Layer, Linear, type ModelOutput, type Module, type TextBatch } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { BertConfig } from './config';
import { EncoderQuestionAnswering, EncoderTokenClassifier } from './shared/encoder';
import { EncoderEmbeddings } from './shared/encoderEmbeddings';
import { EncoderLayer, Pooler } from './shared/encoderLayer';
import { classHead, classOutput, hiddenOutput } from './shared/heads';
import { attentionMask, firstPositions, type Needed, positionsOf, runLayers, type Step } from './shared/step';
import { TextModel } from './shared/TextModel';

export class BertModel extends TextModel {
  static override readonly [kind] = 'BertModel';
  declare readonly config: BertConfig;
  readonly embeddings: EncoderEmbeddings;
  readonly encoder: { layer: EncoderLayer[] };
  readonly pooler: Pooler | null;

  constructor(config: BertConfig, addPoolingLayer = true) {
    super(config);
    if (config.position_embedding_type !== undefined && config.position_embedding_type !== 'absolute')
      throw new Error(`position_embedding_type "${config.position_embedding_type}" is not known here; "absolute" is`);
    this.embeddings = new EncoderEmbeddings(config);
    this.encoder = { layer: Array.from({ length: config.num_hidden_layers }, () => new EncoderLayer(config)) };
    this.pooler = addPoolingLayer ? new Pooler(config) : null;
  }

  run(batch: TextBatch, needed?: Needed): { hidden: tf.Tensor2D; step: Step } {
    const { hidden: embedded, step: opened } = this.embeddings.forward(batch, positionsOf, needed);
    const mask = attentionMask(batch, opened, { causal: false });
    return runLayers(this.encoder.layer, embedded, { ...opened, ...(mask && { mask }) });
  }

  forward(batch: TextBatch): ModelOutput {
    const { hidden, step } = this.run(batch);
    return { ...hiddenOutput(hidden, step), ...(this.pooler && { pooler_output: this.pooler.forward(hidden, step) }) };
  }

  inputEmbeddings(): EmbeddingLayer {
    return this.embeddings.word_embeddings;
  }
}

/** What a BERT head drops out before its classes. */
const headDropout = ({ classifier_dropout, hidden_dropout_prob }: BertConfig) => classifier_dropout ?? hidden_dropout_prob;

export class BertForSequenceClassification extends TextModel {
  static override readonly [kind] = 'BertForSequenceClassification';
  declare readonly config: BertConfig;
  readonly bert: BertModel;
  readonly classifier: Layer;

  constructor(config: BertConfig) {
    super(config);
    this.bert = new BertModel(config);
    this.classifier = classHead(config, config.hidden_size, true);
  }

  forward(batch: TextBatch): ModelOutput {
    const { hidden, step } = this.bert.run(batch, firstPositions);
    const pooled = (this.bert.pooler as Pooler).forward(hidden, step);
    return classOutput(this.classifier.forward(dropout(pooled, headDropout(this.config), this.training)), batch, this.config);
  }

  inputEmbeddings(): Module {
    return this.bert.inputEmbeddings();
  }
}

export class BertForTokenClassification extends EncoderTokenClassifier {
  static override readonly [kind] = 'BertForTokenClassification';
  declare readonly config: BertConfig;
  readonly bert: BertModel;
  readonly classifier: Layer;

  constructor(config: BertConfig) {
    super(config);
    this.bert = new BertModel(config, false);
    this.classifier = classHead(config, config.hidden_size, true);
  }

  protected get encoder(): BertModel {
    return this.bert;
  }

  protected get headDropout(): number {
    return headDropout(this.config);
  }
}

export class BertForQuestionAnswering extends EncoderQuestionAnswering {
  static override readonly [kind] = 'BertForQuestionAnswering';
  declare readonly config: BertConfig;
  readonly bert: BertModel;
  readonly qa_outputs: Layer;

  constructor(config: BertConfig) {
    super(config);
    this.bert = new BertModel(config, false);
    this.qa_outputs = new Linear(config.hidden_size, 2, true, config.initializer_range);
  }

  protected get encoder(): BertModel {
    return this.bert;
  }

  protected get headDropout(): number {
    return 0;
  }
}
