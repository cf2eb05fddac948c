/**
 * RoBERTa (Liu et al. 2019, https://arxiv.org/abs/1907.11692), and XLM-RoBERTa (Conneau et al. 2019,
 * https://arxiv.org/abs/1911.02116): BERT with positions counted from behind the padding's number and another head.
 */
import { dropout, type EmbeddingLayer, kind, type Layer, Linear, type ModelOutput, Module, type TextBatch, tanh } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { RobertaConfig } from './config';
import { EncoderQuestionAnswering, EncoderTokenClassifier } from './shared/encoder';
import { EncoderEmbeddings } from './shared/encoderEmbeddings';
import { EncoderLayer, firstTokens, Pooler } from './shared/encoderLayer';
import { classHead, classOutput, hiddenOutput } from './shared/heads';
import type { Matrix } from './shared/ids';
import { atRows, attentionMask, firstPositions, type Needed, positionsOf, runLayers, type Step } from './shared/step';
import { TextModel } from './shared/TextModel';

export class RobertaModel extends TextModel {
  static override readonly [kind] = 'RobertaModel';
  declare readonly config: RobertaConfig;
  readonly embeddings: EncoderEmbeddings;
  readonly encoder: { layer: EncoderLayer[] };
  readonly pooler: Pooler | null;

  constructor(config: RobertaConfig, addPoolingLayer = true) {
    super(config);
    this.embeddings = new EncoderEmbeddings(config, config.pad_token_id);
    this.encoder = { layer: Array.from({ length: config.num_hidden_layers }, () => new EncoderLayer(config)) };
    this.pooler = addPoolingLayer ? new Pooler(config) : null;
  }

  run(batch: TextBatch, needed?: Needed): { hidden: tf.Tensor2D; step: Step } {
    const positions = countedPositions(this.config.pad_token_id);
    const { hidden: embedded, step: opened } = this.embeddings.forward(batch, positions, needed);
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

/**
 * Positions [N] from `padding + 1` on; padding, told by its token, stands at `padding` and is not counted. Embedded inputs
 * do not show which of them are padding: all are counted.
 */
const countedPositions =
  (padding: number) =>
  (batch: TextBatch, step: Step, ids?: Matrix): Int32Array => {
    if (batch.position_ids) return positionsOf(batch, step);
    const positions = new Int32Array(step.batch * step.length);
    let count = 0;
    for (let i = 0; i < positions.length; i++) {
      if (i % step.length === 0) count = padding + step.pastLength;
      positions[i] = ids?.values[i] === padding ? padding : ++count;
    }
    return atRows(positions, step);
  };

/** What a RoBERTa head drops out before its classes. */
const headDropout = ({ classifier_dropout, hidden_dropout_prob }: RobertaConfig) => classifier_dropout ?? hidden_dropout_prob;

class RobertaClassificationHead extends Module {
  static override readonly [kind] = 'RobertaClassificationHead';
  readonly dense: Layer;
  readonly out_proj: Layer;
  readonly dropout: number;

  constructor(config: RobertaConfig) {
    super();
    this.dense = new Linear(config.hidden_size, config.hidden_size, true, config.initializer_range);
    this.out_proj = classHead(config, config.hidden_size, true);
    this.dropout = headDropout(config);
  }

  /** @param x [B, C], of each sequence's first token @returns [B, L] */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    const drop = (y: tf.Tensor2D) => dropout(y, this.dropout, this.training);
    return this.out_proj.forward(drop(tanh(this.dense.forward(drop(x)))));
  }
}

export class RobertaForSequenceClassification extends TextModel {
  static override readonly [kind] = 'RobertaForSequenceClassification';
  declare readonly config: RobertaConfig;
  readonly roberta: RobertaModel;
  readonly classifier: Layer;

  constructor(config: RobertaConfig) {
    super(config);
    this.roberta = new RobertaModel(config, false);
    this.classifier = new RobertaClassificationHead(config);
  }

  forward(batch: TextBatch): ModelOutput {
    const { hidden, step } = this.roberta.run(batch, firstPositions);
    return classOutput(this.classifier.forward(firstTokens(hidden, step)), batch, this.config);
  }

  inputEmbeddings(): Module {
    return this.roberta.inputEmbeddings();
  }
}

export class RobertaForTokenClassification extends EncoderTokenClassifier {
  static override readonly [kind] = 'RobertaForTokenClassification';
  declare readonly config: RobertaConfig;
  readonly roberta: RobertaModel;
  readonly classifier: Layer;

  constructor(config: RobertaConfig) {
    super(config);
    this.roberta = new RobertaModel(config, false);
    this.classifier = classHead(config, config.hidden_size, true);
  }

  protected get encoder(): RobertaModel {
    return this.roberta;
  }

  protected get headDropout(): number {
    return headDropout(this.config);
  }
}

export class RobertaForQuestionAnswering extends EncoderQuestionAnswering {
  static override readonly [kind] = 'RobertaForQuestionAnswering';
  declare readonly config: RobertaConfig;
  readonly roberta: RobertaModel;
  readonly qa_outputs: Layer;

  constructor(config: RobertaConfig) {
    super(config);
    this.roberta = new RobertaModel(config, false);
    this.qa_outputs = new Linear(config.hidden_size, 2, true, config.initializer_range);
  }

  protected get encoder(): RobertaModel {
    return this.roberta;
  }

  protected get headDropout(): number {
    return 0;
  }
}
