import * as tf from '@tensorflow/tfjs-core';
import type { SegmentationMap } from './Image';
import type { ImageProcessor } from './imageProcessor';

/** The likeliest class of each pixel; see `ImageProcessor`. */
export const segmentationMaps: ImageProcessor['postProcessSemanticSegmentation'] = async ({ logits }, targetSizes) => {
  if (logits?.rank !== 4) throw new Error(`a segmentation has logits [B, L, height, width], not [${logits?.shape ?? ''}]`);
  const [count, , height, width] = logits.shape as [number, number, number, number];
  if (targetSizes && targetSizes.length !== count) throw new Error(`there are ${targetSizes.length} target sizes for ${count} images`);
  const maps: SegmentationMap[] = [];
  for (let i = 0; i < count; i++) {
    const size = targetSizes?.[i] ?? [height, width];
    const classes = tf.tidy(() => {
      const own = tf.transpose(tf.slice(logits as tf.Tensor4D, [i, 0, 0, 0], [1, -1, -1, -1]), [0, 2, 3, 1]); // [1, height, width, L]
      return tf.argMax(tf.image.resizeBilinear(own, [size[0], size[1]], false, true), 3); // [1, height', width']
    });
    maps.push({ width: size[1], height: size[0], data: (await classes.data()) as Int32Array });
    classes.dispose();
  }
  return maps;
};
