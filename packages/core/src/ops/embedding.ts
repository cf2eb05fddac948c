import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../module/Parameter';
import { differentiable } from './differentiable';
import { scatterRows } from './scatterRows';

/**
 * The rows of a table.
 * @param ids [N] int32
 * @param weight [number of rows, C]
 * @param paddingIdx the row that gets no gradient @default null
 * @returns [N, C]
 */
export function embedding(ids: tf.Tensor1D, weight: Parameter, paddingIdx: number | null = null): tf.Tensor2D {
  const table = weight.value as unknown as tf.Tensor2D;
  if (!weight.trainable) return tf.gather(table, ids); // [N, C]
  // Read before the engine gets them: ids that lie on a graphics card could not be read in the midst of a backward pass.
  const rows = ids.dataSync<'int32'>().slice();
  return differentiable<{ weight: tf.Tensor }, tf.Tensor2D>(
    { weight: weight.value },
    {
      forward: () => tf.gather(table, ids), // [N, C]
      backward: (dy) => ({
        weight: () =>
          scatterRows(dy, paddingIdx === null ? rows : rows.map((row) => (row === paddingIdx ? -1 : row)), weight.shape[0] as number),
      }),
    },
  );
}
