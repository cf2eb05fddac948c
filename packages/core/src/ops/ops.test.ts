import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkGradients } from '../../../testing/src/gradcheck';
import { isA } from '../module/brand';
import { Parameter } from '../module/Parameter';
import { manualSeed } from '../module/random';
import { activation, swiglu } from './activations';
import { dropout } from './dropout';
import { add, multiply, scale, softcap, tanh } from './elementwise';
import { embedding } from './embedding';
import { linear, linearTransposed } from './linear';
import { binaryCrossEntropyWithLogits, meanSquaredError, softCrossEntropy } from './losses';
import { lowRank } from './lowRank';
import { layerNorm, rmsNorm } from './norms';
import { difference, expectClose, parameter, tensor } from './random.testing';
import { rotary } from './rotary';
import { concat, gatherRows, mean, meanRows, reshape, slice, split, sum, transpose } from './shapes';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

type Two = tf.Tensor2D;
type Function = (...inputs: tf.Tensor[]) => tf.Tensor;

const x = () => tensor([4, 6]);
const cases: Record<string, () => [Function, (tf.Tensor | Parameter)[]]> = {
  'add of three': () => [(a, b, c) => add(a as Two, b as Two, c as Two), [x(), x(), x()]],
  'add of one tensor to itself': () => [(a) => add(a as Two, a as Two), [x()]],
  multiply: () => [multiply as Function, [x(), x()]],
  'multiply by [C]': () => [multiply as Function, [x(), tensor([6])]],
  'multiply by [1, C]': () => [multiply as Function, [x(), tensor([1, 6])]],
  'multiply by [N, 1]': () => [multiply as Function, [x(), tensor([4, 1])]],
  scale: () => [(a) => scale(a, -1.5), [x()]],
  tanh: () => [tanh as Function, [x()]],
  softcap: () => [(a) => softcap(a, 1.5), [x()]],
  reshape: () => [(a) => tanh(reshape(a, [3, 8])), [x()]],
  transpose: () => [(a) => tanh(transpose(a, [2, 0, 1])), [tensor([2, 3, 4])]],
  concat: () => [(a, b) => concat([a, b, a], -1), [x(), tensor([4, 2])]],
  slice: () => [(a) => slice(a, [1, 2], [2, -1]), [x()]],
  split: () => [
    (a) => {
      const [first, second, third] = split(a as Two, [1, 2, 3]) as [Two, Two, Two];
      return multiply(concat([second, first], 1), third);
    },
    [x()],
  ],
  'split, a part unused': () => [(a) => split(a as Two, [2, 4])[1] as Two, [x()]],
  gatherRows: () => [(a) => gatherRows(a as Two, [2, 0, 2, 3, 2]), [x()]],
  meanRows: () => [(a) => meanRows(a as Two, 2), [x()]],
  sum: () => [(a) => sum(tanh(a)), [x()]],
  mean: () => [(a) => mean(tanh(a)), [x()]],
  embedding: () => {
    const weight = parameter([5, 3]);
    return [() => embedding(tf.tensor1d([1, 4, 1, 0], 'int32'), weight), [weight]];
  },
  layerNorm: () => {
    const [weight, bias] = [parameter([6]), parameter([6])];
    return [(a) => layerNorm(a as Two, weight, bias, 1e-2), [x(), weight, bias]];
  },
  rmsNorm: () => {
    const weight = parameter([6]);
    return [(a) => rmsNorm(a as Two, weight, 1e-2), [x(), weight]];
  },
  'rmsNorm, weight from 0': () => {
    const weight = parameter([6]);
    return [(a) => rmsNorm(a as Two, weight, 1e-2, 1), [x(), weight]];
  },
  swiglu: () => [swiglu as Function, [x(), x()]],
  rotary: () => [(a) => rotary(a as Two, tf.cos(angles(6)), signed(tf.sin(angles(6))), 2), [tensor([4, 12])]],
  'rotary of a part': () => [(a) => rotary(a as Two, tf.cos(angles(4)), signed(tf.sin(angles(4))), 2), [tensor([4, 12])]],
  meanSquaredError: () => [(a) => meanSquaredError(a, angles(6)), [x()]],
  softCrossEntropy: () => [(a) => softCrossEntropy(a as tf.Tensor2D, angles(6)), [x()]],
  binaryCrossEntropyWithLogits: () => [(a) => binaryCrossEntropyWithLogits(a, tf.sigmoid(angles(6))), [x()]],
  linear: () => {
    const [weight, bias] = [parameter([3, 6]), parameter([3])];
    return [(a) => linear(a as Two, weight, bias), [x(), weight, bias]];
  },
  'linear, frozen': () => {
    const weight = parameter([3, 6], false);
    return [(a) => linear(a as Two, weight), [x()]];
  },
  linearTransposed: () => {
    const [weight, bias] = [parameter([6, 3]), parameter([3])];
    return [(a) => linearTransposed(a as Two, weight, bias), [x(), weight, bias]];
  },
  lowRank: () => {
    const [A, B] = [parameter([2, 6]), parameter([3, 2])];
    return [(base, a) => lowRank(base as Two, a as Two, A, B, 1.7), [tensor([4, 3]), x(), A, B]];
  },
  'lowRank, A frozen': () => {
    const [A, B] = [parameter([2, 6], false), parameter([3, 2])];
    return [(base, a) => lowRank(base as Two, a as Two, A, B, 1.7), [tensor([4, 3]), x(), B]];
  },
  'lowRank, B frozen': () => {
    const [A, B] = [parameter([2, 6]), parameter([3, 2], false)];
    return [(base, a) => lowRank(base as Two, a as Two, A, B, 1.7), [tensor([4, 3]), x(), A]];
  },
};
for (const name of ['gelu', 'gelu_new', 'quick_gelu', 'silu', 'sigmoid']) cases[name] = () => [activation(name), [tensor([40], 2)]];

/** Sines as `rotary` takes them. */
const signed = (sin: Two) =>
  tf.mul(sin, tf.tensor1d(Array.from({ length: sin.shape[1] }, (_, i) => (2 * i < sin.shape[1] ? -1 : 1)))) as Two;
const angles = (width: number) =>
  tf.tensor2d(
    Float32Array.from({ length: 4 * width }, (_, i) => Math.sin(i * i)),
    [4, width],
  );

describe('gradients equal finite differences and nothing leaks', () => {
  it.each(Object.keys(cases))('%s', (name) => {
    const [f, inputs] = (cases[name] as (typeof cases)[string])();
    tf.tidy(() => f(...inputs.map((input) => (isA(input, Parameter) ? input.value : input))));
    const before = tf.memory().numTensors;
    checkGradients(f, inputs);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('finds a wrong gradient', () => {
    expect(() =>
      checkGradients((a) => tf.customGrad((b) => ({ value: tf.square(b as tf.Tensor), gradFunc: (dy) => dy }))(a), [x()]),
    ).toThrow('gradients differ');
  });
});

describe('values', () => {
  const values = (t: tf.Tensor) => Array.from(t.dataSync());

  it('activations', () => {
    const at = tf.tensor1d([-3, -1, 0, 0.5, 2]);
    const expected: Record<string, number[]> = {
      gelu: [-0.004049694, -0.158655254, 0, 0.345731231, 1.954499736],
      gelu_pytorch_tanh: [-0.003637392, -0.158808009, 0, 0.34571401, 1.954597694],
      quick_gelu: [-0.01807131, -0.154204234, 0, 0.350388437, 1.935658623],
      swish: [-0.14227762, -0.268941421, 0, 0.311229666, 1.761594156],
      relu: [0, 0, 0, 0.5, 2],
    };
    for (const [name, list] of Object.entries(expected)) expectClose(activation(name)(at), list);
    expect(() => activation('gelo')).toThrow('known: gelu, ');
  });

  it('relu passes gradients where x is positive', () => {
    expect(values(tf.grad(activation('relu'))(tf.tensor1d([-1, 2, 3])))).toEqual([0, 1, 1]);
  });

  it('meanRows averages neighbours', () => {
    expectClose(meanRows(tf.tensor2d([1, 2, 3, 5, 0, 0, 4, 8], [4, 2]), 2), [2, 3.5, 2, 4]);
  });

  it('softcap bounds what is large', () => {
    expectClose(softcap(tf.tensor1d([-100, -1, 0, 0.01, 50]), 2), [-2, -2 * Math.tanh(0.5), 0, 2 * Math.tanh(0.005), 2]);
  });

  it('rmsNorm takes weights that count from an offset', () => {
    const [a, weight, whole] = [x(), parameter([6]), parameter([6])];
    whole.assign(tf.add(weight.value, 1));
    expect(difference(rmsNorm(a, weight, 1e-6, 1), rmsNorm(a, whole))).toBe(0);
  });

  it('rotary turns pairs of the two halves', () => {
    const turned = rotary(tf.tensor2d([[1, 2, 3, 4]]), tf.tensor2d([[0, 0.6, 0, 0.6]]), tf.tensor2d([[-1, -0.8, 1, 0.8]]), 1);
    expectClose(turned, [-3, 2 * 0.6 - 4 * 0.8, 1, 4 * 0.6 + 2 * 0.8]);
  });

  it('the padding row of an embedding gets no gradient', () => {
    const weight = parameter([4, 2]);
    const [gradient] = tf.grads(() => sum(embedding(tf.tensor1d([0, 2, 2], 'int32'), weight, 0)))([weight.value]);
    expect(values(gradient as tf.Tensor)).toEqual([0, 0, 0, 0, 2, 2, 0, 0]);
  });

  it('lowRank adds the product', () => {
    const [base, a, A, B] = [tensor([4, 3]), x(), parameter([2, 6]), parameter([3, 2])];
    const weight = tf.matMul(B.value as unknown as Two, A.value as unknown as Two);
    const expected = tf.add(base, tf.mul(tf.matMul(a, weight, false, true), 0.5));
    expect(difference(lowRank(base, a, A, B, 0.5), expected)).toBeLessThan(1e-5);
  });
});

describe('dropout', () => {
  it('is the identity outside training and at rate 0', () => {
    const a = x();
    expect(dropout(a, 0.5, false)).toBe(a);
    expect(dropout(a, 0, true)).toBe(a);
  });

  it('keeps the mean, drops the stated share, and starts again with the seed', () => {
    const ones = tf.ones([400_000]);
    const draw = () => dropout(ones, 0.3, true).dataSync() as Float32Array;
    manualSeed(3);
    const [first, second] = [draw(), draw()];
    manualSeed(3);
    const equal = (a: Float32Array, b: Float32Array) => a.every((value, i) => value === b[i]);
    expect(equal(draw(), first)).toBe(true);
    expect(equal(second, first)).toBe(false);
    expect(first.filter((value) => value === 0).length / 400_000).toBeCloseTo(0.3, 2);
    expect(Math.max(...first.slice(0, 100))).toBeCloseTo(1 / 0.7, 6);
    expect(dropout(tf.ones([8]), 1, true).dataSync()).toEqual(new Float32Array(8));
  });

  it('uses the same mask on the way back', () => {
    const ones = tf.ones([64]);
    manualSeed(4);
    const y = dropout(ones, 0.5, true);
    manualSeed(4);
    expect(difference(tf.grad((a) => dropout(a, 0.5, true))(ones), y)).toBe(0);
  });
});
