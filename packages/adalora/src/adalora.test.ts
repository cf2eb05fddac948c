import '@tensorflow/tfjs-backend-wasm';
import {
  Conv2d,
  Embedding,
  getPeftModel,
  initialize,
  kind,
  Linear,
  Module,
  manualSeed,
  memory,
  memorySink,
  PeftModel,
  setWarningHandler,
} from '@peft/core';
import { AutoModelForCausalLM } from '@peft/models';
import { checkGradients } from '@peft/testing';
import { adamW } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AdaLoraConfig, adaLora, adaLoraConfig } from './index';

const llama = {
  model_type: 'llama',
  vocab_size: 61,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  initializer_range: 0.3,
};
const build = async () => {
  const base = await AutoModelForCausalLM.fromConfig(llama as never);
  manualSeed(3);
  initialize(base);
  return base;
};
type Model = PeftModel<Awaited<ReturnType<typeof build>>, typeof adaLora>;

const batch = { input_ids: [[5, 9, 31, 7, 22, 58]], labels: [[5, 9, 31, 7, 22, 58]] };
const config = (options: Partial<AdaLoraConfig> = {}) =>
  adaLoraConfig({ task_type: 'CAUSAL_LM', init_r: 4, target_r: 2, total_step: 12, tinit: 2, tfinal: 4, ...options });
const logits = (model: Pick<Model, 'forward'>) =>
  tf.tidy(() => Array.from(model.forward({ input_ids: batch.input_ids }).logits?.dataSync() ?? []));
const lossOf = (model: Pick<Model, 'forward'>) => tf.tidy(() => model.forward(batch).loss?.dataSync()[0] as number);
const difference = (a: number[], b: number[]) => Math.max(...a.map((x, i) => Math.abs(x - (b[i] as number))));
/** Random values everywhere, so that no zero hides a mistake. */
const shake = (model: Model, name = 'default', seed = 1) => {
  for (const [i, parameter] of Object.values(model.adapterState(name)).entries())
    parameter.set(Array.from({ length: parameter.size }, (_, j) => 0.4 * Math.sin(12.9898 * j + 7 * i + seed) + 0.1));
};
const adapted = async (options: Partial<AdaLoraConfig> = {}): Promise<Model> => {
  const model = getPeftModel(await build(), config(options)).eval();
  shake(model);
  return model;
};
/** Training steps by hand. @returns what the schedule gives at each */
const train = (model: Model, steps: number, first = 1, optimizer = adamW(model, { lr: 0.02 })) =>
  Array.from({ length: steps }, (_, i) => {
    optimizer.backward(() => model.forward(batch).loss);
    optimizer.step();
    const budget = model.adapter().updateAndAllocate(first + i, optimizer.gradients);
    optimizer.zeroGrad();
    return budget;
  });
const nonzero = (model: Model) =>
  Object.values(model.adapter().layers).map((layer) =>
    Object.values(layer.lora_E).reduce((sum, one) => sum + [...one.value.dataSync()].filter((value) => value !== 0).length, 0),
  );
const save = async (model: Model) => {
  const sink = memorySink();
  await model.savePretrained(sink);
  return sink.files;
};
const load = async (files: Record<string, Uint8Array>, options = {}) =>
  PeftModel.fromPretrained(await build(), memory(files), { tuners: [adaLora], ...options });
const total = (counts: number[]) => counts.reduce((sum, n) => sum + n, 0);
const warningsOf = async (run: () => unknown): Promise<string[]> => {
  const warnings: string[] = [];
  const previous = setWarningHandler((message) => warnings.push(message));
  try {
    await run();
  } finally {
    setWarningHandler(previous);
  }
  return warnings;
};

beforeAll(async () => {
  await tf.setBackend('wasm');
});
beforeEach(() => manualSeed(0));

describe('the rank allocator', () => {
  it('goes from init_r to target_r a matrix as the cubic schedule says, and leaves no tensors', async () => {
    const model = await adapted();
    const optimizer = adamW(model, { lr: 0.02 });
    const budgets = train(model, 7, 1, optimizer);
    const tensors = tf.memory().numTensors;
    budgets.push(...train(model, 5, 8, optimizer));
    expect(tf.memory().numTensors).toBe(tensors);
    expect(budgets).toEqual([16, 16, 12, 10, 9, 8, 8, undefined, undefined, undefined, undefined, undefined]);
    expect(total(nonzero(model))).toBe(8);
    const pattern = model.peftConfig.default?.rank_pattern as Record<string, boolean[]>;
    expect(Object.keys(pattern).sort()).toEqual(
      ['0', '1'].flatMap((n) => ['q_proj', 'v_proj'].map((p) => `model.layers.${n}.self_attn.${p}.lora_E`)),
    );
    expect(Object.values(pattern).map((mask) => mask.filter(Boolean).length)).toEqual(nonzero(model));
    optimizer.dispose();
    model.dispose();
  });

  it('cuts every deltaT steps only', async () => {
    const model = await adapted({ deltaT: 3, tinit: 0 });
    const optimizer = adamW(model, { lr: 0.02 });
    const left = Array.from({ length: 6 }, (_, i) => {
      train(model, 1, i + 1, optimizer);
      return total(nonzero(model));
    });
    // Between two cuts the optimizer moves what was cut again.
    expect(left.map((n) => n < 16)).toEqual([false, false, true, false, false, true]);
    model.dispose();
  });

  it('cuts nothing where init_r is target_r, which Python PEFT fails on (kthvalue of none)', async () => {
    const model = await adapted({ init_r: 2, target_r: 2, tinit: 0 });
    expect(train(model, 9).slice(0, 7)).toEqual([8, 8, 8, 8, 8, 8, 8]);
    expect(nonzero(model)).toEqual([2, 2, 2, 2]);
    model.dispose();
  });

  it('is the same through PeftModel, which Trainer tells of every step', async () => {
    const [byHand, told] = [await adapted(), await adapted()];
    train(byHand, 9);
    const optimizer = adamW(told, { lr: 0.02 });
    for (let step = 1; step <= 9; step++) {
      optimizer.backward(() => told.forward(batch).loss);
      optimizer.step();
      told.afterOptimizerStep(step, optimizer.gradients);
      optimizer.zeroGrad();
    }
    expect(told.peftConfig.default?.rank_pattern).toEqual(byHand.peftConfig.default?.rank_pattern);
    expect(logits(told)).toEqual(logits(byHand));
  });

  it('says what it lacks', async () => {
    const model = await adapted();
    expect(() => model.adapter().updateAndAllocate(1, {})).toThrow(/gradients of .*q_proj.lora_A.*before zeroGrad/);
    expect(() => model.adapter().updateAndAllocate(1.5, {})).toThrow('whole number, not 1.5');
  });
});

describe('files of cut ranks', () => {
  it('hold what is left; a loaded model computes the same, and keeps dividing by init_r, as in Python PEFT', async () => {
    const model = await adapted();
    train(model, 12);
    const files = await save(model);
    const loaded = await load(files);
    expect(difference(logits(loaded), logits(model))).toBeLessThan(1e-5);
    for (const layer of Object.values(loaded.adapter().layers)) expect([...(layer.ranknum.default?.value.dataSync() ?? [])]).toEqual([4]);
    const ranks = Object.values(loaded.adapter().layers).map((layer) => layer.lora_E.default?.shape[0]);
    expect(ranks).toEqual(nonzero(model));
    // ranknum counts, the cut rows are gone.
    const rows = (counts: number[]) => counts.reduce((sum, r, i) => sum + r * (16 + (i % 2 === 0 ? 16 : 8) + 1), 0);
    expect(model.getNbTrainableParameters()[1] - loaded.getNbTrainableParameters()[1]).toBe(rows([4, 4, 4, 4]) - rows(nonzero(model)));
    expect(await save(loaded)).toEqual(files);
  });

  it('may leave a layer nothing', async () => {
    const model = await adapted();
    const mask = Object.fromEntries(
      Object.keys(model.adapter().layers).map((key, i) => [`${key}.lora_E`, [i > 0, false, i > 1, false]] as const),
    );
    const before = tf.memory().numTensors;
    Object.assign(model.peftConfig.default as AdaLoraConfig, { rank_pattern: mask });
    const files = await save(model);
    expect(tf.memory().numTensors).toBe(before);
    const loaded = await load(files, { isTrainable: true });
    const layers = Object.values(loaded.adapter().layers);
    expect(layers.map((layer) => layer.lora_E.default?.shape[0])).toEqual([0, 1, 2, 2]);
    expect(layers[0]?.ranknum.default?.value.dataSync()[0]).toBe(0);
    expect(lossOf(loaded)).toBeGreaterThan(0);
    loaded.mergeAdapter();
    loaded.unmergeAdapter();
    train(loaded, 2);
    expect(await load(await save(loaded))).toBeDefined();
  });

  it('keep their masks when training goes on from them, which Python PEFT breaks', async () => {
    const model = await adapted();
    train(model, 5);
    const files = await save(model);
    const resumed = await load(files, { isTrainable: true });
    expect(total(nonzero(resumed))).toBe(9);
    expect(train(resumed, 7, 6)).toEqual([8, 8, undefined, undefined, undefined, undefined, undefined]);
    expect(total(nonzero(resumed))).toBe(8);
    const [before, after] = [model, resumed].map((one) => one.peftConfig.default?.rank_pattern as Record<string, boolean[]>);
    for (const [name, mask] of Object.entries(after ?? {})) {
      expect(mask).toHaveLength(4);
      // What was cut before stays cut.
      expect(mask.some((kept, i) => kept && !before?.[name]?.[i])).toBe(false);
    }
    const again = await load(await save(resumed));
    expect(difference(logits(again), logits(resumed))).toBeLessThan(1e-5);
  });

  it('load into an adapter that is there, of other ranks; a failure leaves it as it was', async () => {
    const model = await adapted();
    train(model, 12);
    const files = await save(model);
    const other = await adapted({});
    const before = { logits: logits(other), tensors: tf.memory().numTensors };
    await expect(other.loadAdapter(memory({ ...files, 'adapter_model.safetensors': new Uint8Array(8) }), 'default')).rejects.toThrow();
    const wrong = await save(await adapted({ target_modules: ['q_proj'] }));
    const tensors = tf.memory().numTensors;
    await expect(
      other.loadAdapter(memory({ ...files, 'adapter_model.safetensors': wrong['adapter_model.safetensors'] as Uint8Array }), 'default'),
    ).rejects.toThrow('missing');
    expect([logits(other), tf.memory().numTensors]).toEqual([before.logits, tensors]);
    await other.loadAdapter(memory(files), 'default', { isTrainable: true });
    expect(difference(logits(other), logits(model))).toBeLessThan(1e-5);
    expect(Object.values(other.trainableParameters()).every(({ trainable }) => trainable)).toBe(true);
    expect(tf.memory().numTensors).toBe(tensors);
    await expect(other.loadAdapter(memory(await save(await adapted({ init_r: 5 }))), 'default')).rejects.toThrow(
      'init_r is 5 in the file and 4 here',
    );
  });

  it('go on exactly with what trainingState holds beside them', async () => {
    const whole = await adapted({ deltaT: 2 });
    const optimizer = adamW(whole, { lr: 0.02 });
    train(whole, 5, 1, optimizer);
    const [files, state, moments] = [await save(whole), whole.trainingState(), optimizer.state()];
    train(whole, 7, 6, optimizer);

    const second = await adapted({ deltaT: 2 });
    await second.loadAdapter(memory(files), 'default', { isTrainable: true });
    second.loadTrainingState(state);
    const next = adamW(second, { lr: 0.02 });
    next.load(moments);
    train(second, 7, 6, next);
    expect(logits(second)).toEqual(logits(whole));
    expect(second.peftConfig.default?.rank_pattern).toEqual(whole.peftConfig.default?.rank_pattern);
    expect(() => second.loadTrainingState({})).toThrow(/does not fit .*q_proj.lora_A is \[missing\]/);
  });

  it('of another model are refused, all misfits at once', async () => {
    const rank_pattern = { 'model.layers.0.self_attn.q_proj.lora_E.default': [true, false], 'model.layers.9.q_proj.lora_E': [true] };
    const base = await build();
    expect(() => getPeftModel(base, config({ rank_pattern }))).toThrow(
      /"model.layers.0.*" has 2 entries, and init_r is 4; "model.layers.9.*" is no adapted layer here/,
    );
  });
});

describe('the orthogonality term', () => {
  it('is in the loss of an adapter that is loaded for use, which Python PEFT fails on', async () => {
    const model = await adapted();
    const loaded = await load(await save(model));
    expect(lossOf(loaded)).toBeCloseTo(lossOf(model), 5);
    const bare = model.disableAdapter(() => lossOf(model));
    expect(bare).toBe(lossOf(await build()));
  });

  it('is in the loss without a task_type, where Python PEFT leaves it out; in training and evaluation; by its weight', async () => {
    const weighted = (orth_reg_weight: number) => adapted({ task_type: null, orth_reg_weight });
    const [none, half, one] = [await weighted(0), await weighted(0.5), await weighted(1)].map((model) => lossOf(model)) as [
      number,
      number,
      number,
    ];
    expect(half - none).toBeGreaterThan(0.1);
    expect(one - none).toBeCloseTo(2 * (half - none), 4);
    const model = await weighted(1);
    expect(lossOf(model.train())).toBeCloseTo(one, 6);
  });

  it('is the mean distance of A·Aᵀ and Bᵀ·B from the identity, with gradients that finite differences confirm', async () => {
    const model = await adapted({ orth_reg_weight: 1 });
    const plain = await adapted({ orth_reg_weight: 0 });
    const gram = (values: Float32Array, rows: number, at: (i: number, k: number) => number, width: number) => {
      let sum = 0;
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < rows; j++) {
          let dot = i === j ? -1 : 0;
          for (let k = 0; k < width; k++) dot += (values[at(i, k)] as number) * (values[at(j, k)] as number);
          sum += dot * dot;
        }
      return Math.sqrt(sum);
    };
    const distances = Object.entries(model.adapterState()).flatMap(([name, { value, shape }]) => {
      const [n, m] = shape as [number, number];
      if (name.endsWith('lora_A')) return [gram(value.dataSync<'float32'>(), n, (i, k) => i * m + k, m)];
      if (name.endsWith('lora_B')) return [gram(value.dataSync<'float32'>(), m, (i, k) => k * m + i, n)];
      return [];
    });
    expect(lossOf(model) - lossOf(plain)).toBeCloseTo(total(distances) / distances.length, 4);
    const parameters = Object.entries(model.trainableParameters()).flatMap(([name, one]) => (/0.self_attn.v_proj/.test(name) ? [one] : []));
    checkGradients(() => tf.tidy(() => model.forward(batch).loss as tf.Scalar), parameters, {
      epsilon: 0.01,
      tolerance: 5e-3,
    });
  });

  it('has a gradient where vectors are orthonormal', async () => {
    const model = await adapted();
    for (const [name, parameter] of Object.entries(model.adapterState())) {
      const [n, m] = parameter.shape as [number, number];
      if (name.endsWith('lora_A')) parameter.set(Array.from({ length: n * m }, (_, i) => (i % m === Math.floor(i / m) ? 1 : 0)));
    }
    const optimizer = adamW(model);
    optimizer.backward(() => model.forward(batch).loss);
    for (const gradient of Object.values(optimizer.gradients)) expect(gradient.dataSync().every(Number.isFinite)).toBe(true);
  });
});

describe('several adapters', () => {
  it('are added and switched while one of them is trained', async () => {
    const model = await adapted();
    const first = logits(model);
    expect(() => model.addAdapter('second', config())).toThrow(
      /only one AdaLoRA adapter .* can be trained, and "default" is.*inference_mode/,
    );
    expect(logits(model)).toEqual(first);
    model.addAdapter('second', config({ inference_mode: true, init_r: 6 }));
    shake(model, 'second', 5);
    expect(logits(model)).toEqual(first);
    model.setAdapter('second');
    const second = logits(model);
    expect(difference(first, second)).toBeGreaterThan(1e-3);
    model.setAdapter(['default', 'second']);
    const both = logits(model);
    expect(Math.min(difference(both, first), difference(both, second))).toBeGreaterThan(1e-3);
    // Names of gradients begin with the adapter's where several are active.
    expect(train(model as Model, 1)).toEqual([16]);
    model.setAdapter('default');
    model.deleteAdapter('second');
    model.dispose();
  });

  it('cannot share a batch, where Python PEFT fails with a TypeError of a linear layer, nor leave it to the base', async () => {
    const model = await adapted();
    for (const names of [['default'], ['__base__']])
      expect(() => model.forward({ input_ids: batch.input_ids, adapter_names: names })).toThrow(
        'adapter_names cannot be used with ADALORA adapters',
      );
  });

  it('cannot be combined', async () => {
    const model = await adapted();
    expect(() => model.addWeightedAdapter(['default'], [1], 'sum')).toThrow('ADALORA adapters cannot be combined');
  });
});

describe('configs', () => {
  it.each<[Partial<AdaLoraConfig>, string]>([
    [{ total_step: null }, 'total_step, the number of training steps, must be given'],
    [{ total_step: 0 }, 'total_step must be a positive whole number'],
    [{ total_step: 10, tinit: 5, tfinal: 5 }, 'leave none of total_step 10 for cutting ranks'],
    [{ orth_reg_weight: -1 }, 'orth_reg_weight must be 0 or more'],
    [{ beta1: 1 }, 'beta1 must lie between 0 and 1'],
    [{ beta2: 0 }, 'beta2 must lie between 0 and 1'],
    [{ use_dora: true }, 'use_dora'],
    [{ loftq_config: { loftq_bits: 4 } }, 'loftq_config'],
    [{ deltaT: 0 }, 'deltaT must be a positive whole number'],
    [{ target_modules: 'x.*', layers_to_transform: 1 }, 'layers_to_transform'],
    [{ lora_dropout: 1 }, 'lora_dropout'],
  ])('are refused with a reason: %o', (options, reason) => {
    expect(() => config(options)).toThrow(reason);
  });

  it('warn about what has no effect, and refuse what is not built', async () => {
    expect(await warningsOf(() => config({ r: 16 }))).toEqual([expect.stringContaining('r has no effect')]);
    const base = await build();
    expect(await warningsOf(() => getPeftModel(base, config({ use_rslora: true, lora_bias: true })).unload())).toEqual([
      expect.stringContaining('use_rslora, lora_bias'),
    ]);
    expect(() => getPeftModel(base, config({ layer_replication: [[0, 1]] }))).toThrow('not built here: layer_replication');
    expect(() => getPeftModel(base, config({ target_modules: ['embed_tokens'] }))).toThrow('only Linear, Conv1D and Conv2d layers can');
    const mistral = await AutoModelForCausalLM.fromConfig({ ...llama, model_type: 'mistral' } as never);
    expect(() => getPeftModel(mistral, config())).toThrow('no default target_modules for model_type "mistral"');
  });
});

it('starts from small random vectors and zero singular values, or from random ones', async () => {
  const spread = (model: Model, part: string) => {
    const values = Object.entries(model.adapterState()).flatMap(([name, { value }]) => (name.endsWith(part) ? [...value.dataSync()] : []));
    return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
  };
  const [usual, random] = [getPeftModel(await build(), config()), getPeftModel(await build(), config({ init_lora_weights: false }))];
  expect(spread(usual, 'lora_E')).toBe(0);
  for (const part of ['lora_A', 'lora_B']) expect(Math.abs(spread(usual, part) - 0.02)).toBeLessThan(0.004);
  for (const part of ['lora_A', 'lora_B', 'lora_E']) expect(Math.abs(spread(random, part) - 1)).toBeLessThan(0.45);
});

it('scales by lora_alpha, or by the rank where that is not positive', async () => {
  const delta = async (lora_alpha: number) => {
    const model = await adapted({ lora_alpha });
    return Object.values(model.adapter().layers)[0]?.delta('default').dataSync()[3] as number;
  };
  const one = await delta(1);
  expect((await delta(8)) / one).toBeCloseTo(8, 4);
  expect((await delta(0)) / one).toBeCloseTo(4, 4);
});

it('drops out its input in training only', async () => {
  const model = await adapted({ lora_dropout: 0.5 });
  const still = logits(model);
  expect(logits(model)).toEqual(still);
  model.train();
  expect(difference(logits(model), logits(model))).toBeGreaterThan(1e-4);
});

it('refuses a convolution with groups, which Python PEFT fails on', () => {
  class Net extends Module {
    static override readonly [kind] = 'Net';
    readonly conv = new Conv2d(4, 4, 1, { groups: 2 });
    readonly emb = new Embedding(3, 4);
    readonly lin = new Linear(4, 4);
    forward(x: tf.Tensor4D): tf.Tensor4D {
      return this.conv.forward(x);
    }
  }
  const net = new Net();
  initialize(net);
  expect(() => getPeftModel(net, adaLoraConfig({ total_step: 9, target_modules: ['lin', 'conv'] }))).toThrow('convolution with groups');
  expect(net.lin).toBeInstanceOf(Linear);
});
