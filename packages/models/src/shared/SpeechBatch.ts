import type { TextBatch } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

/** Log-mel features of shape [B, mels, frames]: nested arrays, or a tensor that stays the caller's. */
export type Features = readonly (readonly ArrayLike<number>[])[] | tf.Tensor3D;

/** What models of speech take; names and meaning are those of Hugging Face's forward arguments. */
export interface SpeechBatch extends Omit<TextBatch, 'input_ids' | 'inputs_embeds' | 'position_ids' | 'token_type_ids'> {
  /** As `WhisperFeatureExtractor` makes them. */
  input_features?: Features;
}

/** Features as a tensor. Errors: there are none; another shape than the model reads. */
export function featuresOf(features: Features | undefined, mels: number, frames: number): tf.Tensor3D {
  if (features === undefined)
    throw new Error('this model reads speech: give input_features [B, mels, frames], as a feature extractor makes them');
  const all = features instanceof tf.Tensor ? features : flattened(features);
  if (all.rank !== 3 || all.shape[1] !== mels || all.shape[2] !== frames)
    throw new Error(`input_features is [${all.shape}], and this model takes [B, ${mels}, ${frames}]: speech with silence behind it`);
  return all;
}

function flattened(features: Exclude<Features, tf.Tensor>): tf.Tensor3D {
  const [first = []] = features;
  const shape: [number, number, number] = [features.length, first.length, first[0]?.length ?? 0];
  const values = new Float32Array(shape[0] * shape[1] * shape[2]);
  features.forEach((bands, row) => {
    if (bands.length !== shape[1] || bands.some(({ length }) => length !== shape[2]))
      throw new Error(`input_features has rows of other shapes than the first, [${shape.slice(1)}]: pad speech to one length`);
    bands.forEach((band, m) => {
      values.set(band, (row * shape[1] + m) * shape[2]);
    });
  });
  return tf.tensor3d(values, shape);
}
