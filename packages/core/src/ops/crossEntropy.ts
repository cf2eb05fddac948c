import * as tf from '@tensorflow/tfjs-core';
import { Linear } from '../layers/Linear';
import { isA } from '../module/brand';
import { differentiable } from './differentiable';
import { gradientDepth, inferenceForms } from './engineForms';
import { matMul } from './matMul';
import { gatherRows } from './shapes';

export interface CrossEntropyOptions {
  /** Rows with this label do not count. @default -100 */
  ignoreIndex?: number | undefined;
}

/**
 * The mean over labelled rows of -log softmax(logits)[label]; NaN, as in PyTorch, where no row is labelled.
 * @param logits [N, V]
 * @param labels N numbers in 0 … V-1, or `ignoreIndex`. Errors: a label outside, or another count of them
 */
export function crossEntropy(
  logits: tf.Tensor2D,
  labels: Int32Array | number[],
  { ignoreIndex = -100 }: CrossEntropyOptions = {},
): tf.Scalar {
  const [count, classes] = logits.shape;
  if (labels.length !== count) throw new Error(`there are ${labels.length} labels for ${count} rows of logits; there must be one a row`);
  const rows = labelled(labels, ignoreIndex);
  checkLabels(labels, rows, classes);
  if (rows.length === 0) return unlabelled(logits);
  return rows.length === count
    ? negativeLogLikelihood(logits, labels)
    : negativeLogLikelihood(
        gatherRows(logits, rows),
        rows.map((row) => labels[row] as number),
      );
}

/**
 * `crossEntropy` of a head's logits, computed for labelled rows only.
 * @param hidden [N, C]
 * @param head maps [M, C] to [M, V]
 * @param labels N numbers in 0 … V-1, or `ignoreIndex`
 */
export function headCrossEntropy(
  hidden: tf.Tensor2D,
  head: { forward(x: tf.Tensor2D): tf.Tensor2D },
  labels: Int32Array | number[],
  { ignoreIndex = -100 }: CrossEntropyOptions = {},
): tf.Scalar {
  if (labels.length !== hidden.shape[0])
    throw new Error(`there are ${labels.length} labels for ${hidden.shape[0]} rows; there must be one a row`);
  const rows = labelled(labels, ignoreIndex);
  // Without a label one row still goes through, so that the loss is a function of the head's parameters.
  const kept = rows.length > 0 ? rows : [0];
  const inputs = kept.length === labels.length ? hidden : gatherRows(hidden, kept); // [M, C]
  const targets = kept.map((row) => labels[row] as number);
  const frozen = isA(head, Linear) && !head.weight.trainable && !head.bias?.trainable;
  return frozen && rows.length > 0 ? frozenHead(inputs, head, targets) : crossEntropy(head.forward(inputs), targets, { ignoreIndex });
}

const labelled = (labels: Int32Array | number[], ignoreIndex: number): number[] =>
  Array.from(labels, (label, row) => (label === ignoreIndex ? -1 : row)).filter((row) => row >= 0);

function checkLabels(labels: Int32Array | number[], rows: number[], classes: number): void {
  const wrong = rows.find((row) => !((labels[row] as number) >= 0 && (labels[row] as number) < classes));
  if (wrong !== undefined)
    throw new Error(`label ${labels[wrong]} of row ${wrong} is outside 0 … ${classes - 1}; rows that do not count need the ignored label`);
}

const unlabelled = (logits: tf.Tensor2D): tf.Scalar => {
  const { shape } = logits;
  return differentiable<{ logits: tf.Tensor }, tf.Scalar>(
    { logits },
    { forward: () => tf.scalar(Number.NaN), backward: () => ({ logits: () => tf.zeros(shape) }) },
  );
};

/** The loss of each row, and what softmax makes of the logits. Not differentiable. */
function rowLosses(logits: tf.Tensor2D, at: tf.Tensor2D): { losses: tf.Tensor1D; probabilities: tf.Tensor2D } {
  const form = inferenceForms().rowLosses;
  if (form) return form(logits, at);
  const probabilities = tf.softmax(logits); // [M, V]
  // log Σ exp without another pass over an [M, V] difference: at a row's maximum, softmax = exp(max - logsumexp).
  const logSumExp = tf.sub(tf.max(logits, 1), tf.log(tf.max(probabilities, 1))); // [M]
  return { losses: tf.sub(logSumExp, tf.gatherND(logits, at)), probabilities };
}

/** Where in [M, V] each row's label stands. */
const positions = (labels: Int32Array | number[]): tf.Tensor2D =>
  tf.tensor2d(Int32Array.from([...labels].flatMap((label, row) => [row, label])), [labels.length, 2], 'int32');

function negativeLogLikelihood(logits: tf.Tensor2D, labels: Int32Array | number[]): tf.Scalar {
  const count = labels.length;
  return differentiable<{ logits: tf.Tensor }, tf.Scalar>(
    { logits },
    {
      forward: (save) => {
        const at = positions(labels);
        const { losses, probabilities } = rowLosses(logits, at);
        save([probabilities, at]);
        return tf.div(tf.sum(losses), count) as tf.Scalar;
      },
      backward: (dy, saved) => ({
        logits: () => {
          const [probabilities, at] = saved as [tf.Tensor2D, tf.Tensor2D];
          const share = tf.div(dy, count); // []
          const labelGradient = tf.mul(tf.sub(tf.gatherND(probabilities, at), 1), share); // [M]
          return tf.tensorScatterUpdate(tf.mul(probabilities, share), at, labelGradient); // [M, V]
        },
      }),
    },
  );
}

const chunkRows = 128;

/**
 * The loss of a frozen linear head, a few rows at a time: logits of all rows never exist. The gradient needs no second
 * look at them, so it is computed at once where one is recorded.
 */
function frozenHead(hidden: tf.Tensor2D, head: Linear, labels: number[]): tf.Scalar {
  const [count, width] = hidden.shape;
  checkLabels(labels, [...labels.keys()], head.outFeatures);
  const weight = head.weight.value as unknown as tf.Tensor2D;
  const recording = gradientDepth() > 0;
  return differentiable<{ hidden: tf.Tensor }, tf.Scalar>(
    { hidden },
    {
      forward: (save) => {
        const chunks = Array.from({ length: Math.ceil(count / chunkRows) }, (_, i) =>
          tf.tidy(() => {
            const chosen = labels.slice(i * chunkRows, (i + 1) * chunkRows);
            const logits = head.forward(tf.slice(hidden, [i * chunkRows, 0], [chosen.length, width])); // [chunk, V]
            const { losses, probabilities } = rowLosses(logits, positions(chosen));
            if (!recording) return { losses };
            const target = tf.gather(weight, tf.tensor1d(chosen, 'int32'));
            return { losses, gradient: tf.sub(matMul(probabilities, weight), target) as tf.Tensor2D }; // [chunk, C]
          }),
        );
        if (recording) save([tf.concat(chunks.map(({ gradient }) => gradient as tf.Tensor2D))]);
        return tf.div(tf.sum(tf.concat(chunks.map(({ losses }) => losses))), count) as tf.Scalar;
      },
      backward: (dy, [gradient]) => ({ hidden: () => tf.mul(gradient as tf.Tensor, tf.div(dy, count)) }),
    },
  );
}
