import { binaryCrossEntropyWithLogits, crossEntropy, gatherRows, reshape, resizeBilinear, scale } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { ImageBatch } from './VisionModel';

/**
 * The mean loss of an image's pixels, whose logits are those of a coarser image, blown up; with a single class that of yes or no.
 * @param logits [B, height, width, L]
 * @param labels [B, height', width']
 * @param ignored the label of pixels that do not count
 */
export function segmentationLoss(logits: tf.Tensor4D, labels: NonNullable<ImageBatch['labels']>, ignored: number): tf.Scalar {
  const [B, , , classes] = logits.shape;
  const { shape, values } = labelsOf(labels);
  const [images, height, width] = shape;
  if (shape.length !== 3 || images !== B)
    throw new Error(`labels is [${shape}] for ${B} images: give a class for each pixel, [${B}, height, width]`);
  const flat = reshape<tf.Tensor2D>(resizeBilinear(logits, [height as number, width as number]), [values.length, classes]); // [B·height'·width', L]
  if (classes > 1) return crossEntropy(flat, values, { ignoreIndex: ignored });
  // As in transformers, pixels that do not count are in the mean's denominator here.
  const rows = Array.from(values.keys()).filter((i) => (values[i] as number) >= 0 && values[i] !== ignored);
  if (rows.length === 0) return scale(binaryCrossEntropyWithLogits(flat, tf.zeros([values.length, 1])), 0);
  const targets = tf.tensor2d(
    Float32Array.from(rows, (i) => values[i] as number),
    [rows.length, 1],
  );
  return scale(binaryCrossEntropyWithLogits(gatherRows(flat, rows), targets), rows.length / values.length);
}

/** Labels as they lie in memory. Errors: rows of different lengths. */
function labelsOf(labels: NonNullable<ImageBatch['labels']>): { shape: readonly number[]; values: Int32Array } {
  if (labels instanceof tf.Tensor) return { shape: labels.shape, values: Int32Array.from(labels.dataSync()) };
  const shape: number[] = [];
  for (let at: unknown = labels; Array.isArray(at); at = at[0]) shape.push(at.length);
  const values = Int32Array.from((labels as readonly number[][][]).flat(2));
  if (shape.length === 3 && values.length !== shape.reduce((product, n) => product * n, 1))
    throw new Error('labels has images or rows of different sizes: they must be alike in a batch');
  return { shape, values };
}
