import * as tf from '@tensorflow/tfjs-core';
import { defaultGenerator } from '../module/random';
import { differentiable } from './differentiable';

/**
 * Sets elements to zero with probability `rate` and scales the others by 1 / (1 - rate); while not training, x itself.
 * The mask is drawn from the default generator.
 */
export function dropout<T extends tf.Tensor>(x: T, rate: number, training: boolean): T {
  if (!training || rate === 0) return x;
  return differentiable<{ x: tf.Tensor }, T>(
    { x },
    {
      forward: (save) => {
        const mask = dropoutMask(x.shape, rate);
        save([mask]);
        return tf.mul(x, mask);
      },
      backward: (dy, [mask]) => ({ x: () => tf.mul(dy, mask as tf.Tensor) }),
    },
  );
}

/** 0 with probability `rate`, else 1 / (1 - rate). */
export function dropoutMask(shape: number[], rate: number): tf.Tensor {
  const keep = rate >= 1 ? 0 : 1 / (1 - rate);
  const threshold = rate * 0x100000000;
  // A mask has millions of elements: the default generator only seeds a cheap one (xorshift128).
  const seeds = Int32Array.from({ length: 4 }, () => defaultGenerator().integer(0xffffffff) + 1);
  let [x = 1, y = 1, z = 1, w = 1] = seeds;
  const mask = new Float32Array(tf.util.sizeFromShape(shape));
  for (let i = 0; i < mask.length; i++) {
    const t = x ^ (x << 11);
    x = y;
    y = z;
    z = w;
    w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    if (w >>> 0 >= threshold) mask[i] = keep;
  }
  return tf.tensor(mask, shape);
}
