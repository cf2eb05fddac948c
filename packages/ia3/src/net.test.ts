import '@tensorflow/tfjs-backend-wasm';
import { fileURLToPath } from 'node:url';
import {
  Conv1D,
  Conv2d,
  folder,
  getPeftModel,
  kind,
  Linear,
  Module,
  mean,
  multiply,
  namedParameters,
  type Parameter,
  readSafetensors,
  reshape,
  tanh,
} from '@peft/core';
import { adamW } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { ia3Config } from './index';

/** The module of `fixtures/make.py`. */
class Net extends Module {
  static override readonly [kind] = 'Net';
  readonly conv = new Conv2d(4, 6, [3, 2], { stride: [2, 1], padding: [1, 0], dilation: [1, 2] });
  readonly grouped = new Conv2d(6, 4, 1, { groups: 2 });
  readonly fed = new Conv2d(4, 6, 1, { groups: 2 });
  readonly mix = new Conv1D(5, 6);
  readonly fed_mix = new Conv1D(6, 5);
  readonly lin = new Linear(6, 5);
  readonly fed_lin = new Linear(5, 3, false);

  /** @param x [B, H, W, 4] */
  forward({ x }: { x: tf.Tensor4D }): { y: tf.Tensor2D; loss: tf.Scalar } {
    const pixels = this.fed.forward(tanh(this.grouped.forward(this.conv.forward(x)))); // [B, H', W', 6]
    const mixed = tanh(this.fed_mix.forward(this.mix.forward(reshape<tf.Tensor2D>(pixels, [-1, 6])))); // [B·H'·W', 6]
    const y = this.fed_lin.forward(this.lin.forward(mixed)); // [B·H'·W', 3]
    return { y, loss: mean(multiply(y, y)) };
  }
}

const names = ['conv', 'grouped', 'fed', 'mix', 'fed_mix', 'lin', 'fed_lin'];
const file = await readSafetensors(folder(fileURLToPath(new URL('fixtures', import.meta.url))), 'net.safetensors');
const data = async (name: string) => (await file.get(name)?.data()) as Float32Array;
const fill = async (parameters: Iterable<[string, Parameter]>, prefix: string) => {
  for (const [name, parameter] of parameters) parameter.set(await data(prefix + name));
};
const adapted = async () => {
  const net = new Net();
  await fill(namedParameters(net), 'base.');
  const model = getPeftModel(
    net,
    ia3Config({ target_modules: names, feedforward_modules: names.filter((name) => name.startsWith('fed')) }),
  );
  await fill(Object.entries(model.trainableParameters()), 'adapter.');
  const x = tf.transpose(tf.tensor4d(await data('x'), file.get('x')?.shape as [number, number, number, number]), [0, 2, 3, 1]);
  return { model: model.eval(), x: x as tf.Tensor4D };
};
const close = (ours: ArrayLike<number>, theirs: ArrayLike<number>) => {
  expect(ours.length).toBe(theirs.length);
  const largest = Math.max(...Array.from(theirs, Math.abs));
  for (let i = 0; i < theirs.length; i++) expect(Math.abs((ours[i] as number) - (theirs[i] as number)) / largest).toBeLessThan(1e-5);
};

beforeAll(async () => {
  await tf.setBackend('wasm');
});

it('computes, learns and merges as Python PEFT on convolutions, with groups and without, and Conv1D', async () => {
  const { model, x } = await adapted();
  const outputs = () => tf.tidy(() => model.forward({ x }).y.dataSync());
  close(outputs(), await data('y'));
  const optimizer = adamW(model);
  optimizer.backward(() => model.forward({ x }).loss);
  expect(Object.keys(optimizer.gradients)).toHaveLength(7);
  for (const [name, gradient] of Object.entries(optimizer.gradients)) close(gradient.dataSync(), await data(`grad.${name}`));
  optimizer.dispose();
  model.mergeAdapter({ safeMerge: true });
  close(outputs(), await data('y'));
  for (const [name, parameter] of namedParameters(model.mergeAndUnload())) close(parameter.value.dataSync(), await data(`merged.${name}`));
});

it('saves vectors in the shapes of Python PEFT', async () => {
  const { model } = await adapted();
  for (const [name, { shape }] of Object.entries(model.adapterState()))
    expect([name, shape]).toEqual([name, file.get(`adapter.${name}`)?.shape]);
});
