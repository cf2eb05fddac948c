import '@tensorflow/tfjs-backend-wasm';
import {
  defaultGenerator,
  getPeftModel,
  initialize,
  kind,
  Linear,
  Module,
  manualSeed,
  memory,
  memorySink,
  namedModules,
  PeftModel,
  parameters,
  setWarningHandler,
} from '@peft/core';
import { AutoModelForCausalLM } from '@peft/models';
import { checkGradients } from '@peft/testing';
import { adamW } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AdaptedAttention, adaptionPromptConfig, llamaAdapter } from './index';

const llama = {
  vocab_size: 61,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  pad_token_id: 0,
  initializer_range: 0.3,
};
const architectures: Record<string, { model_type: string; [field: string]: unknown }> = {
  llama: { model_type: 'llama', ...llama },
  'llama with biases and other heads': { model_type: 'llama', ...llama, attention_bias: true, head_dim: 6 },
  mistral: { model_type: 'mistral', ...llama, sliding_window: 3 },
  qwen2: { model_type: 'qwen2', ...llama },
  gpt2: {
    model_type: 'gpt2',
    vocab_size: 61,
    n_embd: 16,
    n_layer: 3,
    n_head: 4,
    n_positions: 32,
    resid_pdrop: 0,
    embd_pdrop: 0,
    attn_pdrop: 0,
    initializer_range: 0.3,
  },
};
const build = async (name = 'llama') => {
  const base = await AutoModelForCausalLM.fromConfig(architectures[name] as never);
  manualSeed(3);
  initialize(base);
  // Weights large enough for prompts to matter; frozen, as under an adapter, so that transposes kept for use are made once.
  for (const parameter of parameters(base)) {
    if (parameter.shape.length === 2) parameter.set(defaultGenerator().normal(parameter.size, 0, 0.3));
    parameter.trainable = false;
  }
  outputs(base);
  return base;
};
type Base = Awaited<ReturnType<typeof build>>;

const input_ids = [
  [5, 9, 31, 7, 22],
  [3, 40, 12, 0, 0],
];
const attention_mask = input_ids.map((row) => row.map((id) => Number(id !== 0)));
const batch = { input_ids, attention_mask, labels: input_ids.map((row) => row.map((id) => (id === 0 ? -100 : id))) };
const config = (options = {}) => adaptionPromptConfig({ task_type: 'CAUSAL_LM', adapter_len: 3, adapter_layers: 2, ...options });
const outputs = (model: Pick<Base, 'forward'>, extra = {}) =>
  tf.tidy(() => Array.from(model.forward({ input_ids, attention_mask, ...extra }).logits?.dataSync() ?? []));
const difference = (a: number[], b: number[]) => Math.max(...a.map((x, i) => Math.abs(x - (b[i] as number))));
/** Random values everywhere, so that no zero hides a mistake. */
const shake = (model: PeftModel<Base>, name = 'default', seed = 1) => {
  for (const [i, parameter] of Object.values(model.adapterState(name)).entries())
    parameter.set(Array.from({ length: parameter.size }, (_, j) => Math.sin(12.9898 * j + 7 * i + seed) + 0.3));
};
/** Warnings of a run, which must not be printed. */
const quietly = <R>(run: () => R): R => {
  const previous = setWarningHandler(() => {});
  try {
    return run();
  } finally {
    setWarningHandler(previous);
  }
};

beforeAll(async () => {
  await tf.setBackend('wasm');
});
beforeEach(() => manualSeed(0));

describe.each(Object.keys(architectures))('adaption prompts on %s', (name) => {
  it('change nothing while the gate is zero, something when it is not, and nothing when disabled or taken off', async () => {
    const base = await build(name);
    const before = { outputs: outputs(base), tensors: tf.memory().numTensors };
    const model = getPeftModel(base, config()).eval();
    expect(outputs(model)).toEqual(before.outputs);
    shake(model);
    expect(difference(outputs(model), before.outputs)).toBeGreaterThan(1e-2);
    expect(model.disableAdapter(() => outputs(model))).toEqual(before.outputs);
    expect(outputs(model.unload())).toEqual(before.outputs);
    expect(tf.memory().numTensors).toBe(before.tensors);
    model.dispose();
  });

  it('have gradients that agree with finite differences', async () => {
    const model = getPeftModel(await build(name), config()).eval();
    shake(model);
    checkGradients(() => model.forward(batch).loss as tf.Scalar, Object.values(model.trainableParameters()), {
      epsilon: 0.01,
      tolerance: 5e-3,
    });
    model.dispose();
  });

  it('generate the same with and without a cache', async () => {
    const model = getPeftModel(await build(name), config()).eval();
    shake(model);
    const prompt = [[5, 9, 31, 7]];
    const cached = await model.generate({ input_ids: prompt, max_new_tokens: 8 });
    expect(await model.generate({ input_ids: prompt, max_new_tokens: 8, use_cache: false })).toEqual(cached);
    const others = await model.disableAdapter(() => model.generate({ input_ids: prompt, max_new_tokens: 8 }));
    expect(others).not.toEqual(cached);
    model.dispose();
  });
});

it('stands in the top layers and is saved under the names of Python PEFT', async () => {
  const model = getPeftModel(await build('gpt2'), config());
  const names = [1, 2].flatMap((layer) =>
    ['adaption_gate', 'adaption_prompt'].map((part) => `base_model.model.transformer.h.${layer}.attn.${part}`),
  );
  expect(Object.keys(model.adapterState()).sort()).toEqual(names);
  expect(Object.values(model.trainableParameters()).map(({ shape }) => shape)).toEqual([[1], [1, 3, 16], [1], [1, 3, 16]]);
  expect(Object.keys(model.adapter().layers)).toEqual(['transformer.h.1.attn', 'transformer.h.2.attn']);
  expect(model.getNbTrainableParameters()[0]).toBe(2 * (1 + 3 * 16));
  expect(model.peftConfig.default?.target_modules).toBe('attn');
  model.dispose();
});

it('saves, and loads to the same outputs', async () => {
  const model = getPeftModel(await build('qwen2'), config()).eval();
  shake(model);
  const sink = memorySink();
  await model.savePretrained(sink);
  const loaded = await PeftModel.fromPretrained(await build('qwen2'), memory(sink.files), { tuners: [llamaAdapter] });
  expect(outputs(loaded)).toEqual(outputs(model));
  expect(loaded.peftConfig.default).toMatchObject({
    peft_type: 'ADAPTION_PROMPT',
    adapter_len: 3,
    adapter_layers: 2,
    target_modules: 'self_attn',
  });
  model.dispose();
  loaded.dispose();
});

// Python PEFT looks for the adapter's name in names that do not have it, so its loaded adapters stay trainable.
it('is frozen when it is loaded for use', async () => {
  const model = getPeftModel(await build(), config());
  const sink = memorySink();
  await model.savePretrained(sink);
  model.dispose();
  const used = await PeftModel.fromPretrained(await build(), memory(sink.files), { tuners: [llamaAdapter] });
  expect(Object.keys(used.trainableParameters())).toEqual([]);
  expect(parameters(used).filter(({ trainable }) => trainable)).toEqual([]);
  used.dispose();
});

it('holds several adapters, of different depth, together, apart and row by row', async () => {
  const base = await build();
  const plain = outputs(base);
  const model = getPeftModel(base, config()).eval();
  model.addAdapter('deep', config({ adapter_layers: 3, adapter_len: 2 }));
  shake(model);
  shake(model, 'deep', 2);
  const own: Record<string, number[]> = { __base__: plain, default: outputs(model) };
  model.setAdapter('deep');
  own.deep = outputs(model);
  model.setAdapter(['default', 'deep']);
  for (const one of Object.values(own)) expect(difference(outputs(model), one)).toBeGreaterThan(1e-3);
  for (const names of [
    ['deep', 'default'],
    ['__base__', 'deep'],
  ]) {
    const mixed = outputs(model, { adapter_names: names });
    const half = mixed.length / 2;
    names.forEach((name, row) => {
      const [start, end] = [row * half, (row + 1) * half];
      expect(difference(mixed.slice(start, end), (own[name] as number[]).slice(start, end))).toBeLessThan(1e-4);
    });
  }
  model.setAdapter('deep');
  quietly(() => model.deleteAdapter('deep'));
  expect(model.activeAdapters).toEqual(['default']);
  expect(outputs(model)).toEqual(own.default);
  expect(model.adapter().layers['model.layers.0.self_attn']).toBeUndefined();
  model.dispose();
});

it('refuses to merge', async () => {
  const model = getPeftModel(await build(), config());
  expect(() => model.mergeAdapter()).toThrow('ADAPTION_PROMPT adapters cannot be merged');
  expect(() => model.mergeAndUnload()).toThrow('ADAPTION_PROMPT adapters cannot be merged');
  model.dispose();
});

it('learns, and keeps no tensors over 20 steps', async () => {
  const model = getPeftModel(await build(), config());
  const optimizer = adamW(model, { lr: 0.1 });
  const losses: number[] = [];
  let tensors = 0;
  for (let step = 0; step < 20; step++) {
    losses.push(await optimizer.backward(() => model.forward(batch).loss as tf.Scalar));
    optimizer.step();
    optimizer.zeroGrad();
    if (step === 1) tensors = tf.memory().numTensors;
  }
  expect(tf.memory().numTensors).toBe(tensors);
  expect(losses.at(-1)).toBeLessThan(0.8 * (losses[0] as number));
  model.dispose();
});

it('keeps no tensors when adapters are loaded, used and deleted', async () => {
  const model = getPeftModel(await build(), config()).eval();
  const sink = memorySink();
  await model.savePretrained(sink);
  outputs(model);
  const before = tf.memory().numTensors;
  for (let i = 0; i < 3; i++) {
    await model.loadAdapter(memory(sink.files), 'other');
    model.setAdapter('other');
    outputs(model);
    model.setAdapter('default');
    model.deleteAdapter('other');
  }
  expect(tf.memory().numTensors).toBe(before);
  model.dispose();
});

describe('what cannot be used', () => {
  it('is refused when the config is made', () => {
    // Python PEFT fails on them with a TypeError when the model is made.
    expect(() => adaptionPromptConfig({} as never)).toThrow('adapter_len and adapter_layers must be given');
    expect(() => config({ adapter_layers: 0, adapter_len: 1.5 })).toThrow(
      /adapter_len must be a whole number above 0, not 1.5; adapter_layers .* not 0/,
    );
    expect(() => config({ target_modules: ['self_attn'] })).toThrow('target_modules must be a name, or null');
  });

  it('is refused when the model is made, which is left as it was', async () => {
    const base = await build();
    const before = tf.memory().numTensors;
    expect(() => getPeftModel(base, config({ adapter_layers: 4 }))).toThrow(
      'adapter_layers is 4, but the model has 3 modules named "self_attn"',
    );
    expect(() => getPeftModel(base, config({ target_modules: 'attn' }))).toThrow(
      'target_modules "attn" matches nothing; attention modules here: self_attn',
    );
    expect(() => getPeftModel(base, config({ target_modules: 'mlp' }))).toThrow('"model.layers.1.mlp" is no attention');
    expect([...namedModules(base)].some(([, module]) => module instanceof AdaptedAttention)).toBe(false);
    expect(tf.memory().numTensors).toBe(before);
    for (const parameter of parameters(base)) parameter.dispose();
  });

  it('are models whose attention is not known', () => {
    class Net extends Module {
      static override readonly [kind] = 'Net';
      readonly config = { model_type: 'net' };
      readonly lin = new Linear(2, 2);
      forward(x: tf.Tensor2D) {
        return this.lin.forward(x);
      }
    }
    expect(() => getPeftModel(new Net(), config())).toThrow('known for llama, mistral, qwen2, gpt2, not for model_type "net"');
  });
});
