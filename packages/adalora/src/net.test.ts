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
  readSafetensors,
  reshape,
  tanh,
} from '@peft/core';
import { adamW } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { adaLoraConfig } from './index';

/** The module of `fixtures/make.py`. */
class Net extends Module {
  static override readonly [kind] = 'Net';
  readonly conv = new Conv2d(3, 4, [3, 2], { stride: [2, 1], padding: [1, 0], dilation: [1, 2] });
  readonly mix = new Conv1D(6, 4);
  readonly lin = new Linear(6, 5, false);

  /** @param x [B, H, W, 3] */
  forward({ x }: { x: tf.Tensor4D }): { y: tf.Tensor2D; loss: tf.Scalar } {
    const pixels = this.conv.forward(x); // [B, H', W', 4]
    const y = this.lin.forward(tanh(this.mix.forward(reshape<tf.Tensor2D>(pixels, [-1, 4])))); // [B·H'·W', 5]
    return { y, loss: mean(multiply(y, y)) };
  }
}

const close = (ours: ArrayLike<number>, theirs: ArrayLike<number>) => {
  expect(ours.length).toBe(theirs.length);
  const largest = Math.max(...Array.from(theirs, Math.abs));
  for (let i = 0; i < theirs.length; i++) expect(Math.abs((ours[i] as number) - (theirs[i] as number)) / largest).toBeLessThan(1e-5);
};

beforeAll(async () => {
  await tf.setBackend('wasm');
});

it('computes, learns and merges as Python PEFT on a convolution, a Conv1D and a linear layer', async () => {
  const file = await readSafetensors(folder(fileURLToPath(new URL('fixtures', import.meta.url))), 'net.safetensors');
  const data = async (name: string) => (await file.get(name)?.data()) as Float32Array;
  const net = new Net();
  for (const [name, parameter] of namedParameters(net)) parameter.set(await data(`base.${name}`));
  const model = getPeftModel(
    net,
    // Without a task type, Python PEFT leaves the orthogonality term out.
    adaLoraConfig({ init_r: 3, target_r: 2, total_step: 10, lora_alpha: 5, target_modules: ['conv', 'mix', 'lin'], orth_reg_weight: 0 }),
  ).eval();
  for (const [name, parameter] of Object.entries(model.trainableParameters())) parameter.set(await data(`adapter.${name}`));
  const shape = file.get('x')?.shape as [number, number, number, number];
  const x = tf.transpose(tf.tensor4d(await data('x'), shape), [0, 2, 3, 1]) as tf.Tensor4D;
  const outputs = () => tf.tidy(() => model.forward({ x }).y.dataSync());
  close(outputs(), await data('y'));

  const optimizer = adamW(model);
  const names = Object.keys(model.trainableParameters());
  expect(names).toHaveLength(9);
  optimizer.backward(() => model.forward({ x }).loss);
  for (const name of names) close(optimizer.gradients[name]?.dataSync() ?? [], await data(`grad.${name}`));
  optimizer.dispose();

  model.mergeAdapter({ safeMerge: true });
  close(outputs(), await data('y'));
  const merged = Object.fromEntries(namedParameters(model.mergeAndUnload()));
  for (const name of ['conv', 'mix', 'lin']) close(merged[`${name}.weight`]?.value.dataSync() ?? [], await data(`merged.${name}.weight`));
});
