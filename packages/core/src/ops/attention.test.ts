import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkGradients } from '../../../testing/src/gradcheck';
import { manualSeed } from '../module/random';
import { type AttentionOptions, attention, mergeHeads, splitHeads } from './attention';
import { difference, tensor } from './random.testing';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

const [B, T, S] = [2, 3, 4];
const causal = () => tf.tensor4d([0, 0, -1e9, -1e9, 0, 0, 0, -1e9, 0, 0, 0, 0], [1, 1, T, S]);

type Rest = Omit<AttentionOptions, 'query' | 'key' | 'value' | 'scale'>;
const call = (query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, rest: Rest = {}) =>
  attention({ query: query as tf.Tensor4D, key: key as tf.Tensor4D, value: value as tf.Tensor4D, scale: 0.4, ...rest });

const variants: Record<string, [number, number, () => Rest]> = {
  plain: [2, 2, () => ({})],
  masked: [2, 2, () => ({ mask: causal() })],
  'shared keys': [4, 2, () => ({ mask: causal() })],
  'soft cap': [4, 1, () => ({ softcap: 1.5, mask: causal() })],
};

// What is kept for the gradients differs where there are many more keys than features.
describe.each([5, 1])('attention of heads with %i features', (D) => {
  const inputs = (H: number, shared: number) =>
    [tensor([B, H, T, D]), tensor([B, shared, S, D]), tensor([B, shared, S, D])] as unknown as tf.Tensor4D[];

  it.each(Object.entries(variants))('%s: value and gradients', (_, [H, shared, rest]) => {
    const [query, key, value] = inputs(H, shared) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const options = rest();
    const repeat = (t: tf.Tensor4D) => tf.reshape(tf.tile(tf.expandDims(t, 2), [1, 1, H / shared, 1, 1]), [B, H, S, D]);
    let scores = tf.mul(tf.matMul(query, repeat(key), false, true), 0.4);
    if (options.softcap) scores = tf.mul(tf.tanh(tf.div(scores, options.softcap)), options.softcap);
    const expected = tf.matMul(tf.softmax(options.mask ? tf.add(scores, options.mask) : scores), repeat(value));
    const actual = call(query, key, value, options);
    expect(actual.shape).toEqual([B * T, H * D]);
    expect(difference(actual, mergeHeads(expected as tf.Tensor4D))).toBeLessThan(1e-6);
    const before = tf.memory().numTensors;
    checkGradients((q, k, v) => call(q as tf.Tensor, k as tf.Tensor, v as tf.Tensor, options), [query, key, value]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([1, B])('bias of batch %i has a gradient', (batch) => {
    const [query, key, value] = inputs(2, 2) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const f = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, bias: tf.Tensor) => call(q, k, v, { bias, softcap: 3 });
    checkGradients(f as (...x: tf.Tensor[]) => tf.Tensor, [query, key, value, tensor([batch, 2, T, S])]);
  });

  it('drops probabilities while training, with the same mask on the way back', () => {
    const f = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => {
      manualSeed(5);
      return call(q, k, v, { dropout: 0.4, training: true });
    };
    const given = inputs(4, 2) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    expect(difference(f(...given), call(...given))).toBeGreaterThan(0.1);
    expect(difference(call(...given, { dropout: 0.4 }), call(...given))).toBe(0);
    checkGradients(f as (...x: tf.Tensor[]) => tf.Tensor, given);
  });

  it('splits and merges heads', () => {
    const x = tensor([B * T, 2 * D]);
    const heads = splitHeads(x, B, 2);
    expect(heads.shape).toEqual([B, 2, T, D]);
    expect(heads.dataSync()[T * D]).toBe(x.dataSync()[D]);
    expect(difference(mergeHeads(heads), x)).toBe(0);
    checkGradients((a) => splitHeads(a as tf.Tensor2D, B, 2), [x]);
    checkGradients((a) => mergeHeads(a as tf.Tensor4D), [heads]);
  });

  it('leaves positions out: their queries are zeros, their outputs are not there', () => {
    const rows = Int32Array.of(0, 2, 3);
    const layout = { batch: B, length: T, rows };
    const x = tensor([rows.length, 2 * D]);
    const heads = splitHeads(x, layout, 2);
    const whole = mergeHeads(heads); // [B·T, 2·D]
    expect(difference(tf.gather(whole, tf.tensor1d(rows, 'int32')), x)).toBe(0);
    expect(Array.from(tf.sum(tf.abs(whole), 1).dataSync(), (total) => total > 0)).toEqual([true, false, true, true, false, false]);
    checkGradients((a) => splitHeads(a as tf.Tensor2D, layout, 2), [x]);
    const given = inputs(2, 2);
    expect(
      difference(
        call(...(given as [tf.Tensor, tf.Tensor, tf.Tensor]), { rows }),
        tf.gather(call(...(given as [tf.Tensor, tf.Tensor, tf.Tensor])), tf.tensor1d(rows, 'int32')),
      ),
    ).toBe(0);
    checkGradients((q, k, v) => call(q as tf.Tensor, k as tf.Tensor, v as tf.Tensor, { rows }), given);
  });
});
