import { transpose } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

/** Images of shape [B, C, height, width]: nested arrays, or a tensor that stays the caller's. */
export type Pixels = readonly (readonly (readonly (readonly number[])[])[])[] | tf.Tensor4D;

/**
 * Images with their channels last, as convolutions take them: [B, height, width, C].
 * Errors: there are none; images of another rank or number of channels.
 */
export function channelsLast(pixels: Pixels | undefined, channels: number): tf.Tensor4D {
  if (pixels === undefined)
    throw new Error('this model reads images: give pixel_values [B, C, height, width], as an image processor makes them');
  const images = pixels instanceof tf.Tensor ? pixels : tf.tensor4d(pixels as number[][][][], undefined, 'float32');
  if (images.rank !== 4 || images.shape[1] !== channels)
    throw new Error(`pixel_values is [${images.shape}], and this model takes [B, ${channels}, height, width]`);
  return transpose(images.dtype === 'float32' ? images : tf.cast(images, 'float32'), [0, 2, 3, 1]);
}
