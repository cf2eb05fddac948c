import * as tf from '@tensorflow/tfjs-core';
import { engineForms } from '../ops/engineForms';
import type { StoredTensor } from './safetensors';

/** The values of a stored tensor as float32; where the engine can, out of the file itself, without reading it first. */
export async function valuesOf(stored: StoredTensor): Promise<tf.Tensor> {
  const { mapped } = engineForms();
  const place = mapped && (await stored.place());
  const tensor = place && mapped(place, stored.dtype, stored.shape);
  if (tensor) return tensor;
  const values = await stored.data();
  return tf.tensor(values instanceof Float32Array ? values : Float32Array.from(values), [...stored.shape], 'float32');
}
