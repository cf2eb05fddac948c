import * as tf from '@tensorflow/tfjs-core';
import { engineForms } from '../ops/engineForms';
import type { StoredTensor } from './safetensors';

/** The values of a stored tensor as float32; where the engine can, out of the file itself, without reading it first. */
export async function valuesOf(stored: StoredTensor): Promise<tf.Tensor> {
  const { mapped } = engineForms();
  const place = mapped && (await stored.place());
  const tensor = place && mapped(place, stored.dtype, stored.shape);
  return tensor ?? tf.tensor(Float32Array.from(await stored.data()), [...stored.shape], 'float32');
}
