import * as tf from '@tensorflow/tfjs-core';

/**
 * Adds up the rows that go to the same place: the gradient of looking rows up. Not differentiable.
 * @param x [M, C]
 * @param rows where each row goes; what goes to a negative place is dropped
 * @param count N
 * @returns [N, C]
 */
export function scatterRows(x: tf.Tensor2D, rows: Int32Array, count: number): tf.Tensor2D {
  const width = x.shape[1];
  const backend = tf.getBackend();
  // tfjs's plain JavaScript kernel scans all rows once for each of the N places.
  if (backend !== 'cpu' && tf.getKernel('UnsortedSegmentSum', backend))
    return tf.tidy(() => tf.unsortedSegmentSum(x, tf.tensor1d(rows, 'int32'), count));
  const source = x.dataSync();
  const target = new Float32Array(count * width);
  rows.forEach((row, m) => {
    if (row < 0) return;
    for (let c = 0, from = m * width, to = row * width; c < width; c++, from++, to++) (target[to] as number) += source[from] as number;
  });
  return tf.tensor2d(target, [count, width]);
}
