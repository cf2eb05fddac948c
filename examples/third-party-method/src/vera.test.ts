import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import '@tensorflow/tfjs-backend-wasm';
import {
  getPeftModel,
  initialize,
  manualSeed,
  memory,
  memorySink,
  PeftModel,
  parameters,
  registerTuner,
  setWarningHandler,
} from '@peft/core';
import { AutoModelForCausalLM } from '@peft/models';
import { checkGradients } from '@peft/testing';
import { adamW } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addVera, type VeraOperands } from './addVera';
import { vera, veraConfig } from './index';
import { Projections } from './Projections';

const fixture = (path: string) => fileURLToPath(new URL(`fixtures/${path}`, import.meta.url));
const expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8')) as {
  input_ids: number[][];
  logits: number[];
  loss: number;
  gradients: Record<string, number[]>;
};
const { input_ids } = expected;
const batch = { input_ids, labels: input_ids };

const build = () => AutoModelForCausalLM.fromPretrained(fixture('base'));
type Base = Awaited<ReturnType<typeof build>>;
const config = (options = {}) => veraConfig({ task_type: 'CAUSAL_LM', r: 4, ...options });
const logits = (model: Pick<Base, 'forward'>) => tf.tidy(() => Array.from(model.forward({ input_ids }).logits?.dataSync() ?? []));
const difference = (a: ArrayLike<number>, b: ArrayLike<number>) => Math.max(...Array.from(a, (x, i) => Math.abs(x - (b[i] as number))));
/** Vectors that are not zero, so that the adapter has an effect. */
const shake = (model: PeftModel<Base>) => {
  for (const [i, parameter] of Object.values(model.trainableParameters()).entries())
    parameter.set(Array.from({ length: parameter.size }, (_, j) => Math.sin(5 * i + 3 * j + 1)));
};

beforeAll(async () => {
  await tf.setBackend('wasm');
});
beforeEach(() => manualSeed(0));

describe("Python PEFT's files", () => {
  it('load without a warning, and give its outputs and gradients', async () => {
    const warnings: string[] = [];
    const previous = setWarningHandler((message) => warnings.push(message));
    const model = await PeftModel.fromPretrained(await build(), fixture('adapter'), { tuners: [vera], isTrainable: true });
    setWarningHandler(previous);
    expect(warnings).toEqual([]);
    expect(difference(logits(model), expected.logits)).toBeLessThan(1e-5);

    const trained = model.trainableParameters();
    expect(Object.keys(trained).sort()).toEqual(Object.keys(expected.gradients).sort());
    const variables = Object.values(trained).map(({ value }) => value);
    const { value, grads } = tf.tidy(() => tf.variableGrads(() => model.forward(batch).loss as tf.Scalar, variables));
    expect(difference(value.dataSync(), [expected.loss])).toBeLessThan(1e-5);
    for (const [name, parameter] of Object.entries(trained))
      expect(difference((grads[parameter.value.name] as tf.Tensor).dataSync(), expected.gradients[name] as number[])).toBeLessThan(1e-5);
    tf.dispose([value, grads]);

    const sink = memorySink();
    await model.savePretrained(sink);
    expect(Buffer.from(sink.files['adapter_model.safetensors'] as Uint8Array)).toEqual(
      readFileSync(fixture('adapter/adapter_model.safetensors')),
    );
    model.dispose();
  });
});

it('has an operation whose gradients agree with finite differences', () => {
  const projections = new Projections(3, 5, 7);
  projections.initialize(1);
  const inputs = [[4, 6], [4, 5], [3], [6]].map((shape, i) => tf.randomNormal(shape, 0, 1, 'float32', i + 1));
  const compute = (...[base, x, d, b]: tf.Tensor[]) => addVera(base as tf.Tensor2D, { x, d, b } as VeraOperands, projections);
  checkGradients(compute, inputs);
  tf.dispose(inputs);
  projections.dispose();
});

it('trains its vectors and nothing else, and keeps no tensors', async () => {
  const model = getPeftModel(await build(), config());
  expect(model.getNbTrainableParameters()[0]).toBe(2 * (8 + 4 + 4 + 4)); // q_proj 8 + r, v_proj 4 + r
  const before = parameters(model.getBaseModel())
    .filter(({ trainable }) => !trainable)
    .map(({ value }) => value.dataSync().slice());
  const optimizer = adamW(model, { lr: 0.2 });
  const losses: number[] = [];
  let tensors = 0;
  for (let step = 0; step < 20; step++) {
    losses.push(await optimizer.backward(() => model.forward(batch).loss as tf.Scalar));
    optimizer.step();
    optimizer.zeroGrad();
    if (step === 1) tensors = tf.memory().numTensors;
  }
  expect(tf.memory().numTensors).toBe(tensors);
  expect(losses.at(-1)).toBeLessThan(0.7 * (losses[0] as number));
  expect(
    parameters(model.getBaseModel())
      .filter(({ trainable }) => !trainable)
      .map(({ value }) => value.dataSync().slice()),
  ).toEqual(before);
  model.dispose();
});

it.each([true, false])('is saved, and loaded through the registry (save_projection: %s)', async (save_projection) => {
  const model = getPeftModel(await build(), config({ save_projection, projection_prng_key: 5 })).eval();
  shake(model);
  const sink = memorySink();
  await model.savePretrained(sink);
  expect('base_model.vera_A' in model.adapterState()).toBe(save_projection);

  registerTuner(vera);
  const loaded = await PeftModel.fromPretrained(await build(), memory(sink.files));
  expect(logits(loaded)).toEqual(logits(model));
  model.dispose();
  loaded.dispose();
});

it('draws other projections from another seed', async () => {
  const outputs = [];
  for (const projection_prng_key of [1, 1, 2]) {
    const model = getPeftModel(await build(), config({ projection_prng_key })).eval();
    shake(model);
    outputs.push(logits(model));
    model.dispose();
  }
  expect(outputs[1]).toEqual(outputs[0]);
  expect(outputs[2]).not.toEqual(outputs[0]);
});

it('merges to the same outputs', async () => {
  const base = await build();
  const plain = logits(base);
  const model = getPeftModel(base, config({ target_modules: 'all-linear' })).eval();
  shake(model);
  const adapted = logits(model);
  expect(difference(adapted, plain)).toBeGreaterThan(1e-2);
  expect(difference(logits(model.mergeAndUnload()), adapted)).toBeLessThan(1e-4);
  for (const parameter of parameters(base)) parameter.dispose();
});

it('refuses what it cannot do', async () => {
  expect(() => config({ r: 0, bias: 'all' })).toThrow(/r must be a whole number above 0, not 0; bias must be one of "none"/);
  expect(() => config({ vera_dropout: 1 })).toThrow('vera_dropout must be at least 0 and below 1');
  const base = await build();
  initialize(base);
  const before = tf.memory().numTensors;
  expect(() => getPeftModel(base, config({ target_modules: ['embed_tokens'] }))).toThrow(
    '"model.embed_tokens" cannot be adapted: only Linear and Conv1D layers can',
  );
  expect(() => getPeftModel(base, config({ target_modules: ['qproj'] }))).toThrow(
    'target_modules ["qproj"] match nothing; layers here: embed_tokens, q_proj',
  );
  expect(tf.memory().numTensors).toBe(before);
  for (const parameter of parameters(base)) parameter.dispose();
});
