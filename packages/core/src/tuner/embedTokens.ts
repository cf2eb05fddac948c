import * as tf from '@tensorflow/tfjs-core';
import type { EmbeddingLayer } from '../layers/Layer';
import type { SoftPromptBase } from './softPromptConfig';

/**
 * A model's own vectors of N tokens, by its embedding as it is now: an adapter may have taken the layer's place.
 * @returns [N, C]. Errors: an id that is no token of the model
 */
export function embedTokens(base: SoftPromptBase, ids: readonly number[]): tf.Tensor2D {
  const layer = base.inputEmbeddings() as EmbeddingLayer & { numEmbeddings?: number };
  const { numEmbeddings: known = Number.POSITIVE_INFINITY } = layer;
  const outside = ids.find((id) => !(id >= 0 && id < known));
  if (outside !== undefined) throw new Error(`token ${outside} is not one of this model's: it has ${known}`);
  return layer.forward(tf.tensor1d([...ids], 'int32'));
}
