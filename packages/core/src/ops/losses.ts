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

/**
 * The mean over rows of -Σ targets·log softmax(logits), where a row's target is a weight for each class.
 * @param logits [N, V]
 * @param targets [N, V]; they get no gradient
 */
export function softCrossEntropy(logits: tf.Tensor2D, targets: tf.Tensor): tf.Scalar {
  checkShapes(logits, targets);
  const [count] = logits.shape;
  return differentiable<{ logits: tf.Tensor }, tf.Scalar>(
    { logits },
    {
      forward: (save) => {
        const logProbabilities = tf.logSoftmax(logits);
        save([logProbabilities, targets]);
        return tf.div(tf.sum(tf.mul(logProbabilities, targets)), -count) as tf.Scalar;
      },
      backward: (dy, saved) => ({
        logits: () => {
          const [logProbabilities, wanted] = saved as [tf.Tensor, tf.Tensor];
          const weight = tf.sum(wanted, 1, true); // [N, 1]
          return tf.mul(tf.sub(tf.mul(tf.exp(logProbabilities), weight), wanted), tf.div(dy, count));
        },
      }),
    },
  );
}

function checkShapes(x: tf.Tensor, targets: tf.Tensor): void {
  if (!tf.util.arraysEqual(x.shape, targets.shape))
    throw new Error(`predictions of shape [${x.shape}] need targets of that shape, not [${targets.shape}]`);
}
