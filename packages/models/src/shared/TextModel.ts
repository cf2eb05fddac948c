import { type ForwardOf, type KeyValueShape, kind, type ModelOutput, type Module, type TextBatch } from '@peft/core';
import { generate } from '../generate/generate';
import type { GenerateOptions } from '../generate/options';
import { keyValueShapes } from './cache';
import { PretrainedModel } from './PretrainedModel';

/** A pretrained model that reads text. */
export abstract class TextModel extends PretrainedModel<TextBatch> {
  static override readonly [kind]: string = 'TextModel';
  abstract override forward(batch: TextBatch): ModelOutput;
  abstract inputEmbeddings(): Module;

  outputEmbeddings(): Module | undefined {
    return undefined;
  }

  keyValueShapes(): readonly KeyValueShape[] {
    return keyValueShapes(this.config);
  }

  /** Continues token ids; see `GenerateOptions`. @param forward what computes instead of this model, e.g. one with adapters on it */
  generate(options: GenerateOptions, forward: ForwardOf<TextModel> = (batch) => this.forward(batch)): Promise<number[][]> {
    return generate(this, options, forward);
  }
}
