import '@tensorflow/tfjs-backend-wasm';
import { disposeModule, manualSeed, memory, memorySink, PeftModel, parseSafetensors, setWarningHandler } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { build, difference, fill, llama, outputs, prefixed, table } from './fixtures/models';
import { prefixTuning } from './index';

beforeAll(async () => {
  await tf.setBackend('wasm');
  setWarningHandler(() => {});
});
beforeEach(() => manualSeed(0));

describe('a projection', () => {
  const options = { prefix_projection: true, encoder_hidden_size: 6 };

  it('is trained and counted, and its file holds what it makes; that is enough to use it, but not to train on', async () => {
    const model = prefixed(await build(llama), options);
    const shapes = Object.fromEntries(Object.entries(model.trainableParameters()).map(([name, { shape }]) => [name, shape]));
    expect(shapes).toEqual({
      'prompt_encoder.embedding.weight': [3, 8],
      'prompt_encoder.transform.0.weight': [6, 8],
      'prompt_encoder.transform.0.bias': [6],
      'prompt_encoder.transform.2.weight': [32, 6],
      'prompt_encoder.transform.2.bias': [32],
    });
    expect(model.getNbTrainableParameters()[0]).toBe(3 * 8 + 6 * 8 + 6 + 32 * 6 + 32);
    Object.values(model.trainableParameters()).forEach((parameter, i) => {
      fill(parameter, i);
    });
    const before = outputs(model);
    const sink = memorySink();
    await model.savePretrained(sink);
    const saved = await parseSafetensors(sink.files['adapter_model.safetensors'] as Uint8Array);
    expect([...saved].map(([name, { shape }]) => [name, shape])).toEqual([['prompt_embeddings', [3, 32]]]);

    const held = tf.memory().numTensors;
    const used = await PeftModel.fromPretrained(await build(llama), memory(sink.files), { tuners: [prefixTuning] });
    expect(Object.keys(used.adapter().parameters())).toEqual(['prompt_encoder.embedding.weight']);
    expect(difference(outputs(used), before)).toBeLessThan(1e-6);
    const other = memorySink();
    await used.savePretrained(other);
    expect(other.files).toEqual(sink.files);
    used.dispose();

    const base = await build(llama);
    const own = outputs(base);
    const load = PeftModel.fromPretrained(base, memory(sink.files), { tuners: [prefixTuning], isTrainable: true });
    await expect(load).rejects.toThrow('cannot be loaded into "default": it trains a projection');
    expect(outputs(base)).toEqual(own);
    disposeModule(base);
    expect(tf.memory().numTensors).toBe(held);

    // Into the one that is trained, too.
    await expect(model.loadAdapter(memory(sink.files), 'default')).rejects.toThrow('trains a projection');
    expect(outputs(model)).toEqual(before);
    model.dispose();
  });

  it('saves what it has become after each step', async () => {
    const model = prefixed(await build(llama), options);
    const first = Array.from(model.adapterState().prompt_embeddings?.value.dataSync() ?? []);
    fill(table(model), 9);
    expect(difference(Array.from(model.adapterState().prompt_embeddings?.value.dataSync() ?? []), first)).toBeGreaterThan(0.1);
    model.dispose();
  });
});

it.each([false, true])('init_weights "zero" gives keys and values of zero (projection: %s)', async (prefix_projection) => {
  const model = prefixed(await build(llama), { prefix_projection, init_weights: 'zero' });
  expect(
    model
      .adapterState()
      .prompt_embeddings?.value.dataSync()
      .every((value) => value === 0),
  ).toBe(true);
  const other = prefixed(await build(llama), { prefix_projection });
  expect(
    other
      .adapterState()
      .prompt_embeddings?.value.dataSync()
      .some((value) => value !== 0),
  ).toBe(true);
  for (const one of [model, other]) one.dispose();
});
