import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkGradients } from '../../../testing/src/gradcheck';
import { Linear } from '../layers/Linear';
import { initialize } from '../module/Module';
import { crossEntropy, headCrossEntropy } from './crossEntropy';
import { difference, tensor } from './random.testing';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

const labels = [1, -100, 4, 0, -100];
const value = (t: tf.Tensor) => t.dataSync()[0] as number;

describe('crossEntropy', () => {
  it('is the mean over labelled rows', () => {
    const logits = tensor([5, 6], 3);
    const rows = logits.arraySync();
    const losses = labels.flatMap((label, i) => {
      const row = rows[i] as number[];
      return label < 0 ? [] : [Math.log(row.reduce((total, x) => total + Math.exp(x), 0)) - (row[label] as number)];
    });
    expect(value(crossEntropy(logits, labels))).toBeCloseTo(losses.reduce((a, b) => a + b) / 3, 5);
    expect(value(crossEntropy(logits, [1, 9, 4, 0, 9], { ignoreIndex: 9 }))).toBeCloseTo(losses.reduce((a, b) => a + b) / 3, 5);
  });

  it('survives large logits and gives NaN where nothing is labelled', () => {
    expect(value(crossEntropy(tf.tensor2d([[1000, 0]]), [1]))).toBeCloseTo(1000, 3);
    expect(value(crossEntropy(tf.tensor2d([[1000, 0]]), [-100]))).toBeNaN();
    expect(value(tf.grad((x) => crossEntropy(x as tf.Tensor2D, [-100]))(tf.tensor2d([[1, 0]])))).toBe(0);
  });

  it('has the right gradient', () => {
    const before = tf.memory().numTensors;
    const logits = tensor([5, 6]);
    checkGradients((x) => crossEntropy(x as tf.Tensor2D, labels), [logits]);
    checkGradients((x) => crossEntropy(x as tf.Tensor2D, [5, 4, 3, 2, 1]), [logits]);
    logits.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuses labels that do not fit', () => {
    expect(() => crossEntropy(tensor([2, 3]), [0, 3])).toThrow('label 3 of row 1 is outside 0 … 2');
    expect(() => crossEntropy(tensor([2, 3]), [0])).toThrow('1 labels for 2 rows');
  });
});

describe('headCrossEntropy', () => {
  it.each([true, false])('equals crossEntropy of all logits, head trainable: %s', (trainable) => {
    const head = new Linear(4, 6);
    initialize(head);
    const { weight, bias } = head as { weight: typeof head.weight; bias: typeof head.weight };
    weight.trainable = bias.trainable = trainable;
    const hidden = tensor([5, 4]);
    expect(value(headCrossEntropy(hidden, head, labels))).toBeCloseTo(value(crossEntropy(head.forward(hidden), labels)), 6);
    const before = tf.memory().numTensors;
    checkGradients((x) => headCrossEntropy(x as tf.Tensor2D, head, labels), [hidden, ...(trainable ? [weight, bias] : [])]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('takes a frozen head a few rows at a time and does not change the result', () => {
    const head = new Linear(4, 6, false);
    initialize(head);
    head.weight.trainable = false;
    const hidden = tensor([300, 4]);
    const many = Array.from({ length: 300 }, (_, i) => (i % 7 === 6 ? -100 : i % 6));
    const plain = { forward: (x: tf.Tensor2D) => head.forward(x) };
    const results = [head, plain].map((h) => tf.valueAndGrad((x) => headCrossEntropy(x as tf.Tensor2D, h, many))(hidden));
    const [chunked, whole] = results as [(typeof results)[0], (typeof results)[0]];
    expect(value(chunked.value)).toBeCloseTo(value(whole.value), 6);
    expect(difference(chunked.grad, whole.grad)).toBeLessThan(1e-7);
    expect(() =>
      headCrossEntropy(
        hidden,
        head,
        many.map((label) => (label === 3 ? 6 : label)),
      ),
    ).toThrow('label 6 of row');
  });

  it('gives NaN and gradients of zero where nothing is labelled', () => {
    const head = new Linear(4, 6, false);
    initialize(head);
    const [gradient] = tf.grads(() => headCrossEntropy(tensor([2, 4]), head, [-100, -100]))([head.weight.value]);
    expect(Math.max(...(gradient as tf.Tensor).dataSync().map(Math.abs))).toBe(0);
  });

  it('calls the head with labelled rows only', () => {
    const seen: number[] = [];
    const head = {
      forward: (x: tf.Tensor2D) => {
        seen.push(x.shape[0]);
        return x;
      },
    };
    headCrossEntropy(tensor([5, 6]), head, labels);
    expect(seen).toEqual([3]);
    expect(value(headCrossEntropy(tensor([1, 6]), head, [-100]))).toBeNaN();
  });
});
