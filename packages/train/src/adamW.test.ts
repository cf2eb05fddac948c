import '@tensorflow/tfjs-backend-wasm';
import { add, multiply, Parameter, sum } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { adamW } from './adamW';
import reference from './fixtures/reference.json';
import { tinyPeft } from './tinyModel.testing';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

const wave = (n: number, k: number) => Array.from({ length: n }, (_, i) => Math.round(Math.sin(i * 1.7 + k) * 0.5 * 1e4) / 1e4);
const parameter = (shape: number[], values: number[]) => {
  const made = new Parameter(shape);
  made.set(values);
  return made;
};
/** A loss whose gradient is what is given. */
const lossWith = (pairs: [Parameter, number[]][]) => () =>
  pairs
    .map(([p, gradient]) => sum(multiply(p.value as tf.Tensor, tf.tensor(gradient, p.shape as number[]))) as tf.Scalar)
    .reduce((a, b) => add(a, b) as tf.Scalar);
const farthest = (p: Parameter | tf.Tensor, expected: number[]) => {
  const values = p instanceof tf.Tensor ? p.dataSync() : p.value.dataSync();
  return Math.max(...Array.from(values, (value, i) => Math.abs(value - (expected[i] as number))));
};

describe('adamW', () => {
  it('gives the same with and without waiting for the engine', async () => {
    const train = async (wait: boolean) => {
      const a = parameter([2, 3], wave(6, 0));
      const optimizer = adamW({ a }, { lr: 0.1 });
      const losses: number[] = [];
      for (let step = 0; step < 3; step++) {
        const loss = () => sum(multiply(a.value as tf.Tensor, a.value as tf.Tensor)) as tf.Scalar;
        losses.push(wait ? await optimizer.backwardAsync(loss, { scale: 0.5 }) : optimizer.backward(loss, { scale: 0.5 }));
        optimizer.step();
        optimizer.zeroGrad();
      }
      const values = [...a.value.dataSync()];
      a.dispose();
      return { losses, values };
    };
    const before = tf.memory().numTensors;
    const expected = await train(false);
    expect(await train(true)).toEqual(expected);
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each(reference.adamW.map((entry) => [JSON.stringify(entry.options), entry] as const))(
    'gives what torch gives with %s',
    (_, { options, steps }) => {
      const a = parameter([2, 3], wave(6, 0));
      const b = parameter([4], wave(4, 1));
      const optimizer = adamW({ a, b }, options as never);
      steps.forEach((expected, s) => {
        const pairs: [Parameter, number[]][] = [[a, wave(6, s + 2).map((g) => g * 10 ** (s - 3))]];
        if (s !== 1 && s !== 2) pairs.push([b, wave(4, s + 9)]);
        optimizer.backward(lossWith(pairs));
        optimizer.step();
        optimizer.zeroGrad();
        expect(farthest(a, expected.a)).toBeLessThan(1.2e-7);
        expect(farthest(b, expected.b)).toBeLessThan(1.2e-7);
      });
    },
  );

  it.each(reference.clip)('clips gradients as torch does, to $maxNorm', ({ maxNorm, norm, a: expectedA, b: expectedB }) => {
    const [a, b] = [parameter([2, 3], wave(6, 0)), parameter([4], wave(4, 0))];
    const optimizer = adamW([a, b]);
    optimizer.backward(
      lossWith([
        [a, wave(6, 2)],
        [b, wave(4, 9)],
      ]),
    );
    expect(optimizer.clipGradNorm(maxNorm)).toBeCloseTo(norm, 6);
    expect(farthest(optimizer.gradients['0'] as tf.Tensor, expectedA)).toBeLessThan(1e-7);
    expect(farthest(optimizer.gradients['1'] as tf.Tensor, expectedB)).toBeLessThan(1e-7);
  });

  it('adds gradients up, scaled, and returns the loss as it was', () => {
    const a = parameter([2], [1, 2]);
    const optimizer = adamW({ a });
    expect(optimizer.backward(lossWith([[a, [4, 8]]]), { scale: 0.5 })).toBe(20);
    optimizer.backward(lossWith([[a, [1, 1]]]), { scale: 0.5 });
    expect(Array.from((optimizer.gradients.a as tf.Tensor).dataSync())).toEqual([2.5, 4.5]);
    optimizer.zeroGrad();
    expect(optimizer.gradients).toEqual({});
  });

  it('decays by name', () => {
    const [a, b] = [parameter([1], [1]), parameter([1], [1])];
    const optimizer = adamW({ a, b }, { lr: 0.1, weight_decay: (name) => (name === 'a' ? 0.5 : 0) });
    optimizer.backward(
      lossWith([
        [a, [0]],
        [b, [0]],
      ]),
    );
    optimizer.step();
    expect([a, b].map((p) => p.value.dataSync()[0])).toEqual([Math.fround(0.95), 1]);
  });

  it('goes on exactly from its state, and refuses one that does not fit', () => {
    const run = (first: number, second: number, handOver: boolean) => {
      const a = parameter([3], [1, 2, 3]);
      let optimizer = adamW({ a }, { lr: 0.01 });
      for (let s = 0; s < first + second; s++) {
        if (handOver && s === first) {
          const state = optimizer.state();
          optimizer = adamW({ a });
          optimizer.load(state);
        }
        optimizer.backward(lossWith([[a, wave(3, s)]]));
        optimizer.step();
        optimizer.zeroGrad();
      }
      return Array.from(a.value.dataSync());
    };
    expect(run(3, 4, true)).toEqual(run(3, 4, false));
    const state = {
      lr: 1,
      parameters: {
        a: { step: 1, shape: [2], exp_avg: new Float32Array(2), exp_avg_sq: new Float32Array(2) },
        c: { step: 1, shape: [], exp_avg: new Float32Array(1), exp_avg_sq: new Float32Array(1) },
      },
    };
    expect(() => adamW({ a: parameter([3], [1, 2, 3]) }).load(state)).toThrow(
      /"a" has the shape \[2\], the parameter \[3\]; "c" is no trainable/,
    );
  });

  it('says what is wrong', () => {
    const a = parameter([1], [1]);
    const optimizer = adamW({ a });
    expect(() => optimizer.backward(() => tf.scalar(1))).toThrow(/no gradient reaches any of the 1 trainable/);
    expect(() => optimizer.backward(() => undefined)).toThrow(/does the batch have labels/);
    expect(() => adamW({ a }, { lr: -1, eps: -1 })).toThrow(/lr must.*eps must/);
    a.trainable = false;
    expect(() => optimizer.backward(lossWith([[a, [1]]]))).toThrow(/nothing to train/);
    expect(() => adamW({ x: 3 } as never).backward(() => undefined)).toThrow(/other things: x/);
  });

  it('trains a parameter that was frozen when it got its values', () => {
    const a = new Parameter([1], undefined, false);
    a.set([1]);
    a.trainable = true;
    adamW([a]).backward(lossWith([[a, [2]]]));
  });

  it('trains an adapter without leaving tensors behind, also when another one is set', () => {
    const model = tinyPeft();
    model.addAdapter('other', model.peftConfig.default as never);
    // The first forward pass makes the base weights' transposes, which stay.
    tf.tidy(() => model.forward({ input_ids: [[1]] }));
    const before = tf.memory().numTensors;
    const optimizer = adamW(model, { lr: 0.05 });
    const batch = { input_ids: [[1], [2], [5]], labels: [0, 1, 2] };
    const step = () => {
      const loss = optimizer.backward(() => model.forward(batch).loss);
      optimizer.clipGradNorm(1);
      optimizer.step();
      optimizer.zeroGrad();
      return loss;
    };
    const snapshot = (name: string) => Object.values(model.adapterState(name)).map((p) => p.value.dataSync().join());
    const first = step();
    const counts = new Set<number>();
    let loss = first;
    for (let i = 0; i < 30; i++) {
      loss = step();
      counts.add(tf.memory().numTensors);
    }
    expect(loss).toBeLessThan(first * 0.8);
    expect(counts.size).toBe(1);
    const trained = snapshot('default');
    model.setAdapter('other');
    step();
    step();
    expect(snapshot('default')).toEqual(trained);
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
