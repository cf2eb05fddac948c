import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { disposeModule, initialize, namedParameters, setTraining } from '../module/Module';
import { manualSeed } from '../module/random';
import { expectClose } from '../ops/random.testing';
import { Conv2d } from './Conv2d';
import { Dropout } from './Dropout';
import { Embedding } from './Embedding';
import { LayerNorm } from './LayerNorm';
import { RMSNorm } from './RMSNorm';
import { TimeConv } from './TimeConv';

beforeAll(async () => {
  await tf.setBackend('wasm');
  manualSeed(1);
});

const values = (t: tf.Tensor) => Array.from(t.dataSync());
const deviation = (data: number[]) => Math.sqrt(data.reduce((total, x) => total + x * x, 0) / data.length);

describe('layers', () => {
  it('Embedding looks rows up; N(0, 1), the padding row zero', () => {
    const layer = new Embedding(100, 30, 2);
    initialize(layer);
    expect([layer.numEmbeddings, layer.embeddingDim]).toEqual([100, 30]);
    expect(deviation(values(layer.weight.value))).toBeCloseTo(1, 1);
    const rows = layer.forward(tf.tensor1d([2, 1], 'int32'));
    expect(values(rows).slice(0, 30)).toEqual(new Array(30).fill(0));
    expect(values(rows).slice(30)).toEqual(values(layer.weight.value).slice(30, 60));
  });

  it('norms start as pure normalisation', () => {
    const x = tf.tensor2d([[1, 2, 3, 6]]);
    const [layer, rms] = [new LayerNorm(4), new RMSNorm(4)];
    for (const module of [layer, rms]) initialize(module);
    expect([...namedParameters(layer)].map(([name]) => name)).toEqual(['weight', 'bias']);
    expectClose(
      layer.forward(x),
      [-2, -1, 0, 3].map((value) => value / Math.sqrt(3.5 + 1e-5)),
    );
    expectClose(
      rms.forward(x),
      [1, 2, 3, 6].map((value) => value / Math.sqrt(12.5 + 1e-6)),
    );
    expect(new LayerNorm(4, 1e-5, false).bias).toBeNull();
  });

  it('Dropout acts only while training and refuses what is no probability', () => {
    const layer = new Dropout(0.5);
    const x = tf.ones([100]);
    expect(layer.forward(x)).toBe(x);
    setTraining(layer, true);
    expect(new Set(values(layer.forward(x)))).toEqual(new Set([0, 2]));
    expect(() => new Dropout(1.5)).toThrow('between 0 and 1, not 1.5');
  });

  it('Conv2d describes itself and is initialised within ±1/√fan_in', () => {
    const layer = new Conv2d(4, 6, [3, 2], { stride: 2, padding: [1, 0], groups: 2 });
    initialize(layer);
    expect([layer.inChannels, layer.outChannels, layer.kernelSize, layer.weight.shape]).toEqual([4, 6, [3, 2], [6, 2, 3, 2]]);
    expect(Math.max(...values(layer.weight.value).map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(12));
    expect(layer.forward(tf.ones([1, 5, 6, 4])).shape).toEqual([1, 3, 3, 6]);
    expect(() => new Conv2d(3, 6, 1, { groups: 2 })).toThrow('cannot be split into 2 groups');
    const before = tf.memory().numTensors;
    disposeModule(layer);
    expect(tf.memory().numTensors).toBe(before - 2);
  });

  it('TimeConv is a convolution over one dimension', () => {
    const [layer, image] = [
      new TimeConv(2, 3, 3, { stride: 2, padding: 1 }),
      new Conv2d(2, 3, [1, 3], { stride: [1, 2], padding: [0, 1] }),
    ];
    initialize(layer);
    expect([...namedParameters(layer)].map(([name, { shape }]) => [name, shape])).toEqual([
      ['weight', [3, 2, 3]],
      ['bias', [3]],
    ]);
    image.weight.set(values(layer.weight.value));
    image.bias?.set(values(layer.bias.value));
    const x = tf.tensor3d([1, -2, 0.5, 3, 4, -1, 2, 2, 0, 1], [1, 5, 2]);
    expect(layer.forward(x).shape).toEqual([1, 3, 3]);
    expectClose(layer.forward(x), values(image.forward(tf.reshape(x, [1, 1, 5, 2]))));
  });
});
