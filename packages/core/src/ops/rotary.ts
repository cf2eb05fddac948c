import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable';
import { inferenceForms, onceDifferentiable } from './engineForms';

/**
 * Rotary position embedding: the first R features of each head, in two halves (x1, x2), become x·cos + (x2, x1)·sin.
 * @param x [N, H·D]
 * @param cos [N, R], R ≤ D; the features from R on stay as they are
 * @param sin [N, R], its first half negative
 * @param heads H
 * @returns [N, H·D]
 */
export function rotary(x: tf.Tensor2D, cos: tf.Tensor2D, sin: tf.Tensor2D, heads: number): tf.Tensor2D {
  const [count, width] = x.shape;
  const [, rotated] = cos.shape;
  const size = width / heads;
  const half = rotated / 2;

  if (rotated === size) {
    const form = inferenceForms().rotary;
    if (form) return form(x, cos, sin, heads);
    const { rotary: turned, rotaryGradient } = onceDifferentiable();
    if (turned && rotaryGradient)
      return differentiable<{ x: tf.Tensor2D }, tf.Tensor2D>(
        { x },
        {
          forward: (save) => {
            save([cos, sin]);
            return turned(x, cos, sin, heads);
          },
          backward: (dy, saved) => ({ x: () => rotaryGradient(dy, ...(saved as [tf.Tensor2D, tf.Tensor2D]), heads) }),
        },
      );
  }

  const swap = (t: tf.Tensor3D) => tf.concat([tf.slice(t, [0, 0, half], [-1, -1, half]), tf.slice(t, [0, 0, 0], [-1, -1, half])], 2);
  const rotate = (t: tf.Tensor2D, turn: (part: tf.Tensor3D) => tf.Tensor3D): tf.Tensor2D => {
    const split = tf.reshape(t, [count, heads, size]); // [N, H, D]
    if (rotated === size) return tf.reshape(turn(split as tf.Tensor3D), [count, width]); // [N, H·D]
    const rest = tf.slice(split, [0, 0, rotated], [-1, -1, -1]); // [N, H, D - R]
    return tf.reshape(tf.concat([turn(tf.slice(split as tf.Tensor3D, [0, 0, 0], [-1, -1, rotated])), rest], 2), [count, width]); // [N, H·D]
  };

  return differentiable(
    { x: x as tf.Tensor },
    {
      forward: (save) => {
        const c = tf.reshape(cos, [count, 1, rotated]); // [N, 1, R]
        const s = tf.reshape(sin, [count, 1, rotated]); // [N, 1, R]
        save([c, s]);
        return rotate(x, (part) => tf.add(tf.mul(part, c), tf.mul(swap(part), s)));
      },
      backward: (dy, saved) => ({
        x: () => {
          const [c, s] = saved as [tf.Tensor3D, tf.Tensor3D];
          return rotate(dy as tf.Tensor2D, (part) => tf.add(tf.mul(part, c), swap(tf.mul(part, s))));
        },
      }),
    },
  ) as tf.Tensor2D;
}
