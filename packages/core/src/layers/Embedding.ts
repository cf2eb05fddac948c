import type * as tf from '@tensorflow/tfjs-core';
import { kind } from '../module/brand';
import { type Initializer, normal } from '../module/initializers';
import { Module } from '../module/Module';
import { Parameter } from '../module/Parameter';
import { embedding } from '../ops/embedding';

/** A table of vectors, initialised N(0, std); the padding row is zero and gets no gradient. */
export class Embedding extends Module {
  static override readonly [kind] = 'Embedding';
  readonly weight: Parameter; // [numEmbeddings, embeddingDim]
  readonly paddingIdx: number | null;

  constructor(numEmbeddings: number, embeddingDim: number, paddingIdx: number | null = null, std = 1) {
    super();
    const initializer: Initializer = (shape, random) => {
      const values = normal(0, std)(shape, random);
      if (paddingIdx !== null) values.fill(0, paddingIdx * embeddingDim, (paddingIdx + 1) * embeddingDim);
      return values;
    };
    this.weight = new Parameter([numEmbeddings, embeddingDim], initializer);
    this.paddingIdx = paddingIdx;
  }

  get numEmbeddings(): number {
    return this.weight.shape[0] as number;
  }

  get embeddingDim(): number {
    return this.weight.shape[1] as number;
  }

  /** @param ids [N] int32 @returns [N, C] */
  forward(ids: tf.Tensor1D): tf.Tensor2D {
    return embedding(ids, this.weight, this.paddingIdx);
  }
}
