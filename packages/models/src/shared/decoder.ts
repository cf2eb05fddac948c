import { dropout, type EmbeddingLayer, kind, type Layer, Linear, type ModelOutput, type Module, softcap, type TextBatch } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import {
  answerOutput,
  causalOutput,
  classOutput,
  hiddenOutput,
  lastPositions,
  lastTokens,
  neededForHead,
  neededForTokens,
  tokenOutput,
} from './heads';
import type { Matrix } from './ids';
import type { Needed, Step } from './step';
import { TextModel } from './TextModel';

/** The body of a decoder-only model: everything below the head. */
export interface Decoder extends Module {
  /** Hidden states [N, C] of the last layer. @param needed as `openStep` takes it */
  run(batch: TextBatch, needed?: Needed): { hidden: tf.Tensor2D; ids?: Matrix | undefined; step: Step };
  inputEmbeddings(): EmbeddingLayer;
}

/** A decoder's forward pass as a model of its own gives it. */
export function decoderOutput(decoder: Decoder, batch: TextBatch): ModelOutput {
  const { hidden, step } = decoder.run(batch);
  return hiddenOutput(hidden, step);
}

/** A decoder that predicts the next token. */
export abstract class CausalLM extends TextModel {
  static override readonly [kind]: string = 'CausalLM';
  protected abstract get decoder(): Decoder;
  /** What gives the vocabulary's logits. */
  protected abstract get head(): Layer;

  forward(batch: TextBatch): ModelOutput {
    const { hidden, step } = this.decoder.run(batch, neededForHead(batch, this.training));
    const { head } = this;
    const { final_logit_softcapping: cap } = this.config;
    const bounded = typeof cap === 'number' ? { forward: (x: tf.Tensor2D) => softcap(head.forward(x), cap) } : head;
    return causalOutput(hidden, bounded, batch, step, this.training);
  }

  inputEmbeddings(): Module {
    return this.decoder.inputEmbeddings();
  }

  override outputEmbeddings(): Module {
    return this.head;
  }
}

/** A decoder that puts a text into a class by its last token. */
export abstract class DecoderSequenceClassifier extends TextModel {
  static override readonly [kind]: string = 'DecoderSequenceClassifier';
  abstract readonly score: Layer;
  protected abstract get decoder(): Decoder;

  forward(batch: TextBatch): ModelOutput {
    const { hidden, ids, step } = this.decoder.run(batch, lastPositions(this.config));
    return classOutput(this.score.forward(lastTokens(hidden, ids, step, this.config)), batch, this.config);
  }

  inputEmbeddings(): Module {
    return this.decoder.inputEmbeddings();
  }
}

/** A decoder that puts each token into a class. */
export abstract class DecoderTokenClassifier extends TextModel {
  static override readonly [kind]: string = 'DecoderTokenClassifier';
  protected abstract get decoder(): Decoder;
  protected abstract get head(): Layer;

  forward(batch: TextBatch): ModelOutput {
    const { hidden, step } = this.decoder.run(batch, neededForTokens(batch, this.training));
    const rate = this.config.classifier_dropout ?? this.config.hidden_dropout ?? 0.1;
    return tokenOutput(dropout(hidden, rate as number, this.training), this.head, batch, step, this.training);
  }

  inputEmbeddings(): Module {
    return this.decoder.inputEmbeddings();
  }
}

/** A decoder that finds where an answer starts and ends. */
export abstract class DecoderQuestionAnswering extends TextModel {
  static override readonly [kind]: string = 'DecoderQuestionAnswering';
  abstract readonly qa_outputs: Layer;
  protected abstract get decoder(): Decoder;

  forward(batch: TextBatch): ModelOutput {
    const { hidden, step } = this.decoder.run(batch);
    return answerOutput(this.qa_outputs.forward(hidden), batch, step);
  }

  inputEmbeddings(): Module {
    return this.decoder.inputEmbeddings();
  }
}

/** A head whose weight is the embedding's own parameter where the config ties them. */
export function vocabularyHead(
  embedding: { weight: Linear['weight'] },
  vocabulary: number,
  width: number,
  tied: boolean,
  std: number,
): Linear {
  const head = new Linear(width, vocabulary, false, std);
  return tied ? Object.assign(head, { weight: embedding.weight }) : head;
}
