import '@tensorflow/tfjs-backend-wasm';
import {
  disposeModule,
  getPeftModel,
  initialize,
  type KeyValues,
  Linear,
  Module,
  manualSeed,
  memory,
  type Parameter,
  PeftModel,
  readJson,
  setWarningHandler,
  type TextBatch,
} from '@peft/core';
import { AutoModelForSequenceClassification } from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { batch, bert, build, difference, fill, llama, outputs, prefixed, reference, table } from './fixtures/models';
import { prefixTuning, prefixTuningConfig } from './index';

beforeAll(async () => {
  await tf.setBackend('wasm');
  setWarningHandler(() => {});
});
beforeEach(() => manualSeed(0));

it('several prefixes of different lengths can be switched, stand one behind the other, and be taken off', async () => {
  const base = await build(llama);
  const bare = outputs(base);
  const before = tf.memory().numTensors;
  const model = prefixed(base);
  fill(table(model));
  const first = outputs(model);
  model.addAdapter('second', prefixTuningConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 2 }));
  fill(table(model, 'second'), 2);
  model.setAdapter('second');
  const second = outputs(model);
  model.setAdapter(['default', 'second']);
  const both = outputs(model);
  const ids = await model.generate({ ...batch, max_new_tokens: 4, eos_token_id: null });
  expect(await model.generate({ ...batch, max_new_tokens: 4, eos_token_id: null, use_cache: false })).toEqual(ids);
  // One prefix that is the two of them.
  model.addAdapter('whole', prefixTuningConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 5 }));
  table(model, 'whole').set([...table(model).value.dataSync(), ...table(model, 'second').value.dataSync()]);
  model.setAdapter('whole');
  expect(difference(outputs(model), both)).toBeLessThan(1e-6);
  model.setAdapter('default');
  expect(outputs(model)).toEqual(first);
  expect(difference(second, first)).toBeGreaterThan(1e-3);
  expect(model.disableAdapter(() => outputs(model))).toEqual(bare);
  model.deleteAdapter('default');
  model.deleteAdapter('whole');
  expect(outputs(model)).toEqual(second);
  expect(outputs(model.unload())).toEqual(bare);
  expect(tf.memory().numTensors).toBe(before);
  disposeModule(base);
});

it('Python defects 18 and 19, fixed: what is loaded for use is frozen, and modules_to_save names each head once', async () => {
  const path = `${reference}/bert-seq-cls`;
  const raw = (await readJson(
    memory({ c: await import('node:fs').then((fs) => fs.readFileSync(`${path}/prefix/adapter_config.json`)) }),
    'c',
  )) as {
    modules_to_save: string[];
  };
  expect(raw.modules_to_save).toHaveLength(4);
  const base = await AutoModelForSequenceClassification.fromPretrained(`${path}/base`);
  const model = await PeftModel.fromPretrained(base, `${path}/prefix`, { tuners: [prefixTuning] });
  expect(model.trainableParameters()).toEqual({});
  expect(model.peftConfig.default?.modules_to_save).toEqual(['classifier', 'score']);
  model.dispose();
});

it('Python defect 14, mirrored: taken off, it leaves the trained head', async () => {
  const model = prefixed(await build(bert, AutoModelForSequenceClassification), { task_type: 'SEQ_CLS' });
  const [weight, bias] = Object.values(model.trainableParameters()).filter(({ shape }) => shape[0] === 2) as [Parameter, Parameter];
  for (const one of [weight, bias]) fill(one);
  const trained = [weight, bias].flatMap(({ value }) => Array.from(value.dataSync()));
  const base = model.unload() as unknown as { classifier: Linear };
  expect([base.classifier.weight, base.classifier.bias].flatMap((one) => Array.from(one?.value.dataSync() ?? []))).toEqual(trained);
  disposeModule(base as never);
});

it('layers of different sizes have what they need of a prefix made for the largest', () => {
  const seen: KeyValues[] = [];
  class Uneven extends Module {
    readonly config = { model_type: 'uneven', num_hidden_layers: 2 };
    readonly body = new Linear(2, 2);
    keyValueShapes() {
      return [
        { heads: 2, headSize: 3 },
        { heads: 1, headSize: 2 },
      ];
    }
    inputEmbeddings() {
      return this.body;
    }
    forward({ past_key_values }: TextBatch) {
      seen.push(past_key_values as KeyValues);
      return {};
    }
  }
  const base = new Uneven();
  initialize(base);
  const model = getPeftModel(base, prefixTuningConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 1 }));
  model.adapter().encoder.embedding.weight.set(Array.from({ length: 24 }, (_, i) => i));
  tf.tidy(() => {
    model.forward({ input_ids: [[1], [2]] });
    const values = seen[0]?.flatMap(({ key, value }) => [key, value].map((part) => [part.shape, Array.from(part.dataSync())]));
    const twice = (row: number[]) => [...row, ...row];
    expect(values).toEqual([
      [[2, 2, 1, 3], twice([0, 1, 2, 3, 4, 5])],
      [[2, 2, 1, 3], twice([6, 7, 8, 9, 10, 11])],
      [[2, 1, 1, 2], twice([12, 13])],
      [[2, 1, 1, 2], twice([18, 19])],
    ]);
  });
  model.dispose();
});

describe('what does not go together is refused', () => {
  it.each([
    [{ num_virtual_tokens: 0 }, 'num_virtual_tokens must be a whole number above 0'],
    [{ num_virtual_tokens: 2.5 }, 'num_virtual_tokens'],
    [{ init_weights: 'ones' }, 'init_weights must be one of "zero"'],
    [{ prefix_projection: 1 }, 'prefix_projection must be true or false'],
    [{ num_virtual_token: 3 }, 'unknown fields in a PREFIX_TUNING config: num_virtual_token'],
    [{ task_type: 'CAUSAL' }, 'task_type must be one of'],
  ])('in a config: %j', (options, message) => {
    expect(() => prefixTuningConfig({ num_virtual_tokens: 3, ...options } as never)).toThrow(message);
  });

  it.each([
    [{ num_virtual_tokens: null as never }, 'num_virtual_tokens must be given'],
    [{ task_type: null }, 'task_type must be given'],
    [{ num_layers: 1 }, 'num_layers is 1, but this model has 2 layers'],
    [{ token_dim: 16, num_attention_heads: 2 }, "make heads of 8, this model's keys have 2 heads of 4"],
  ])('with a model: %j', async (options, message) => {
    const base = await build(llama);
    const before = tf.memory().numTensors;
    expect(() => prefixed(base, options)).toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
    disposeModule(base);
  });

  it('a model without a cache', () => {
    class Still extends Module {
      readonly layer = new Linear(2, 2);
      forward() {
        return {};
      }
    }
    expect(() => getPeftModel(new Still() as never, prefixTuningConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 3 }))).toThrow(
      'this model takes no past_key_values',
    );
  });

  it('sizes that other heads give are taken as the same prefix, as in Python', async () => {
    const model = prefixed(await build(llama), { token_dim: 16, num_attention_heads: 4, num_layers: 2 });
    expect(model.peftConfig.default).toMatchObject({ token_dim: 8, num_attention_heads: 2, encoder_hidden_size: 8 });
    model.dispose();
  });

  it('merging, and adapters mixed in a batch', async () => {
    const model = prefixed(await build(llama));
    expect(() => model.mergeAdapter()).toThrow('PREFIX_TUNING adapters cannot be merged');
    expect(() => model.mergeAndUnload()).toThrow('PREFIX_TUNING adapters cannot be merged');
    expect(() => model.forward({ ...batch, adapter_names: ['default', '__base__'] })).toThrow('cannot be used with PREFIX_TUNING');
    expect(() => model.forward({})).toThrow('give either input_ids or inputs_embeds');
    model.dispose();
  });
});
