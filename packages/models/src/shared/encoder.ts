import { dropout, type EmbeddingLayer, kind, type Layer, type ModelOutput, type Module, type TextBatch } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import { answerOutput, neededForTokens, tokenOutput } from './heads';
import type { Needed, Step } from './step';
import { TextModel } from './TextModel';

/** The body of an encoder: everything below the head. */
export interface Encoder extends Module {
  /** Hidden states [N, C] of the last layer. @param needed as `openStep` takes it */
  run(batch: TextBatch, needed?: Needed): { hidden: tf.Tensor2D; step: Step };
  inputEmbeddings(): EmbeddingLayer;
}

/** An encoder that puts each token into a class. */
export abstract class EncoderTokenClassifier extends TextModel {
  static override readonly [kind]: string = 'EncoderTokenClassifier';
  abstract readonly classifier: Layer;
  protected abstract get encoder(): Encoder;
  /** The rate at which hidden states are dropped before the head. */
  protected abstract get headDropout(): number;

  forward(batch: TextBatch): ModelOutput {
    const { hidden, step } = this.encoder.run(batch, neededForTokens(batch, this.training));
    return tokenOutput(dropout(hidden, this.headDropout, this.training), this.classifier, batch, step, this.training);
  }

  inputEmbeddings(): Module {
    return this.encoder.inputEmbeddings();
  }
}

/** An encoder that finds where an answer starts and ends. */
export abstract class EncoderQuestionAnswering extends TextModel {
  static override readonly [kind]: string = 'EncoderQuestionAnswering';
  abstract readonly qa_outputs: Layer;
  protected abstract get encoder(): Encoder;
  /** The rate at which hidden states are dropped before the head. */
  protected abstract get headDropout(): number;

  forward(batch: TextBatch): ModelOutput {
    const { hidden, step } = this.encoder.run(batch);
    return answerOutput(this.qa_outputs.forward(dropout(hidden, this.headDropout, this.training)), batch, step);
  }

  inputEmbeddings(): Module {
    return this.encoder.inputEmbeddings();
  }
}
