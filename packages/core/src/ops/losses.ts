import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable';

/** The mean of (x - targets)². Targets have x's shape and get no gradient. */
export function meanSquaredError(x: tf.Tensor, targets: tf.Tensor): tf.Scalar {
  checkShapes(x, targets);
  return differentiable<{ x: tf.Tensor }, tf.Scalar>(
    { x },
    {
      forward: (save) => {
        const difference = tf.sub(x, targets);
        save([difference]);
        return tf.mean(tf.square(difference)) as tf.Scalar;
      },
      backward: (dy, [difference]) => ({ x: () => tf.mul(difference as tf.Tensor, tf.mul(dy, 2 / x.size)) }),
    },
  );
}

/** The mean binary cross-entropy of sigmoid(x) with targets in [0, 1] of x's shape, which get no gradient. */
export function binaryCrossEntropyWithLogits(x: tf.Tensor, targets: tf.Tensor): tf.Scalar {
  checkShapes(x, targets);
  return differentiable<{ x: tf.Tensor }, tf.Scalar>(
    { x },
    {
      forward: (save) => {
        save([tf.sub(tf.sigmoid(x), targets)]);
        // log(1 + eˣ) - x·target, without overflow
        return tf.mean(tf.add(tf.sub(tf.relu(x), tf.mul(x, targets)), tf.log1p(tf.exp(tf.neg(tf.abs(x)))))) as tf.Scalar;
      },
      backward: (dy, [difference]) => ({ x: () => tf.mul(difference as tf.Tensor, tf.mul(dy, 1 / x.size)) }),
    },
  );
}

function checkShapes(x: tf.Tensor, targets: tf.Tensor): void {
  if (!tf.util.arraysEqual(x.shape, targets.shape))
    throw new Error(`predictions of shape [${x.shape}] need targets of that shape, not [${targets.shape}]`);
}
