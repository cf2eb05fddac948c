import '@tensorflow/tfjs-backend-wasm';
import { readFile } from 'node:fs/promises';
import {
  getPeftModel,
  initialize,
  type Module,
  manualSeed,
  memory,
  PeftModel,
  parameters,
  setWarningHandler,
  type TextBatch,
} from '@peft/core';
import { AutoModelForCausalLM, AutoModelForSequenceClassification } from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LoraConfig, lora, loraConfig } from './index';

const warnings: string[] = [];
beforeAll(async () => {
  await tf.setBackend('wasm');
  setWarningHandler((message) => warnings.push(message));
});
beforeEach(() => {
  warnings.length = 0;
});

const sizes = {
  vocab_size: 11,
  hidden_size: 4,
  intermediate_size: 6,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  initializer_range: 0.5,
};
const llama = async () => ready(await AutoModelForCausalLM.fromConfig({ model_type: 'llama', ...sizes }));
const classifier = async () => ready(await AutoModelForSequenceClassification.fromConfig({ model_type: 'bert', ...sizes }));

function ready<M extends Module>(model: M): M {
  manualSeed(5);
  initialize(model);
  return model;
}

const config = (options: Partial<LoraConfig> = {}) =>
  loraConfig({ target_modules: ['q_proj'], r: 2, init_lora_weights: false, ...options });
const batch = { input_ids: [[1, 5, 2, 9]] };
const logits = (model: { forward(batch: TextBatch): { logits?: tf.Tensor } }, input: TextBatch = batch) =>
  tf.tidy(() => (model.forward(input).logits as tf.Tensor).dataSync<'float32'>());

describe('status', () => {
  it('is what Python PEFT says, step by step', async () => {
    const expected: { step: string; model: object; layers: { name: string }[]; active: string[] }[] = JSON.parse(
      await readFile(new URL('./fixtures/status.json', import.meta.url), 'utf8'),
    );
    const model = getPeftModel(await llama(), loraConfig({ target_modules: ['q_proj', 'embed_tokens'], r: 2 }));
    const found: typeof expected = [];
    const note = (step: string) =>
      found.push({ step, model: model.getModelStatus(), layers: model.getLayerStatus(), active: [...model.activeAdapters] });
    note('fresh');
    model.addAdapter('other', loraConfig({ target_modules: ['q_proj', 'v_proj'], r: 3 }));
    note('added');
    model.setAdapter('other');
    note('set');
    model.setAdapter(['default', 'other']);
    note('both');
    model.disableAdapter(() => note('disabled'));
    note('enabled');
    model.setAdapter('default');
    model.mergeAdapter();
    note('merged');
    model.unmergeAdapter();
    note('unmerged');
    model.setAdapter('other', { inferenceMode: true });
    note('frozen');
    model.deleteAdapter('other');
    expect(model.getModelStatus()).toMatchObject({ num_adapter_layers: 2, active_adapters: ['default'], available_adapters: ['default'] });
    const sorted = ({ layers, ...rest }: (typeof expected)[number]) => ({
      ...rest,
      layers: layers.toSorted((a, b) => a.name.localeCompare(b.name)),
    });
    for (const [i, one] of expected.entries()) expect(sorted(found[i] as never)).toEqual(sorted(one));
  });
});

describe('several adapters', () => {
  it('are added, set and deleted; wrong names are refused and change nothing', async () => {
    const model = getPeftModel(await llama(), config());
    const alone = logits(model);
    model.addAdapter('b', config());
    model.addAdapter('a', config());
    expect(logits(model)).toEqual(alone);
    expect(() => model.addAdapter('a', config())).toThrow('there is an adapter "a" already');
    expect(() => model.addAdapter('x.y', config())).toThrow("cannot be an adapter's name");
    expect(() => model.setAdapter('zz')).toThrow('there is no adapter "zz" here; there are: default, b, a');
    expect(() => model.deleteAdapter('zz')).toThrow('there is no adapter "zz"');
    expect(() => model.addAdapter('none', config({ target_modules: ['nothing'] }))).toThrow('match nothing');
    expect(Object.keys(model.peftConfig)).toEqual(['default', 'b', 'a']);
    expect(logits(model)).toEqual(alone);
    model.deleteAdapter('default');
    expect(model.activeAdapter).toBe('a');
    expect(warnings).toEqual(['adapter "default" was active and is deleted; "a" is active now']);
    expect(Object.keys(model.trainableParameters()).length).toBe(2);
  });

  it('cannot train one head together', async () => {
    const model = getPeftModel(await classifier(), config({ target_modules: ['query'], task_type: 'SEQ_CLS' }));
    model.addAdapter('other', config({ target_modules: ['query'], task_type: 'SEQ_CLS' }));
    expect(() => model.setAdapter(['default', 'other'])).toThrow('both train "classifier" as a whole');
    expect(model.activeAdapters).toEqual(['default']);
  });

  it('compute a row each, or say why not', async () => {
    const model = getPeftModel(await llama(), config()).eval();
    model.addAdapter('dora', config({ use_dora: true }));
    const mixed = (...adapter_names: string[]) => logits(model, { ...batch, adapter_names } as TextBatch);
    expect(mixed('default')).toEqual(logits(model));
    expect(mixed('__base__')).toEqual(model.disableAdapter(() => logits(model)));
    expect(() => mixed('default', 'default')).toThrow('2 names for 1 rows');
    expect(() => mixed('zz')).toThrow('unknown adapters: zz');
    expect(() => mixed('dora')).toThrow('cannot be used with DoRA');
    model.mergeAdapter();
    expect(() => mixed('default')).toThrow('are merged');
    model.unmergeAdapter();
    model.train();
    expect(() => mixed('default')).toThrow('call eval() first');
    expect(logits(model.eval())).toEqual(mixed('default'));
  });
});

describe('merging', () => {
  it('warns of what has no effect and refuses what cannot be', async () => {
    const model = getPeftModel(await llama(), config());
    model.mergeAdapter();
    model.mergeAdapter();
    expect(warnings.splice(0)).toEqual(['all these adapters are merged already: nothing to do']);
    expect(() => model.deleteAdapter('default')).toThrow('is merged and cannot be deleted');
    expect(() => model.mergeAdapter({ adapterNames: 'default' as never })).toThrow('must be a list of names');
    expect(() => model.mergeAdapter({ adapterNames: ['zz'] })).toThrow('there is no adapter "zz"');
    model.unmergeAdapter();
    model.unmergeAdapter();
    expect(warnings).toEqual(['nothing is merged: nothing to unmerge']);
  });

  it('is undone while adapters are disabled, also where that fails or waits', async () => {
    const model = getPeftModel(await llama(), config());
    const base = model.disableAdapter(() => logits(model));
    model.mergeAdapter();
    const merged = logits(model);
    expect(merged).not.toEqual(base);
    expect(await model.disableAdapter(async () => model.disableAdapter(() => logits(model)))).toEqual(base);
    expect(() => model.disableAdapter(() => expect(logits(model)).toEqual(merged))).toThrow();
    expect(model.getModelStatus()).toMatchObject({ enabled: true, merged_adapters: ['default'], requires_grad: { default: true } });
    expect(logits(model)).toEqual(merged);
  });
});

describe('what cannot be used', () => {
  it.each<[Partial<LoraConfig> & Record<string, unknown>, string]>([
    [{ r: 0 }, 'r must be a positive whole number'],
    [{ r: '8' as never }, 'r must be'],
    [{ bias: 'foo' as never }, 'bias must be one of "none", "all", "lora_only"'],
    [{ task_type: 'FOO' as never }, 'task_type must be one of SEQ_CLS'],
    [{ target_parameters: 'mlp' as never }, 'target_parameters must be a list'],
    [{ target_modules: '.*q_proj', layers_to_transform: 1 }, 'layers_to_transform cannot be used'],
    [{ target_modules: '.*q_proj', layers_pattern: 'h', layers_to_transform: 1 }, 'layers_pattern cannot be used'],
    [{ layers_pattern: 'h' }, 'layers_pattern needs layers_to_transform'],
    [{ lora_bias: true, init_lora_weights: 'gaussian' }, 'lora_bias works with init_lora_weights true or false only'],
    [{ lora_bias: true, use_dora: true }, 'lora_bias does not work with use_dora'],
    [{ lora_alfa: 3 }, 'unknown fields in a LORA config: lora_alfa'],
  ])('%o is refused when the config is made', (options, problem) => {
    expect(() => loraConfig(options)).toThrow(problem);
  });

  it.each<[Partial<LoraConfig>, string]>([
    [{ target_modules: ['nothing'] }, 'match nothing; layers here: embed_tokens, q_proj'],
    [{ target_modules: ['mlp'] }, 'mlp'],
    [{ init_lora_weights: 'foo' }, 'foo'],
    [{ init_lora_weights: 'orthogonal', r: 3 }, '3'],
    [{ target_modules: ['embed_tokens'], lora_bias: true, init_lora_weights: true }, 'lora_bias'],
    [{ target_modules: ['embed_tokens'], init_lora_weights: 'pissa' }, 'pissa'],
    [{ modules_to_save: ['embed_tokens'], trainable_token_indices: [1], target_modules: ['q_proj'] }, 'embed_tokens'],
  ])('%o leaves the model as it was', async (options, problem) => {
    const base = await llama();
    for (const parameter of parameters(base)) parameter.trainable = true;
    const [before, tensors] = [logits(base), tf.memory().numTensors];
    expect(() => getPeftModel(base, config({ init_lora_weights: true, ...options }))).toThrow(problem);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(parameters(base).every((parameter) => parameter.trainable)).toBe(true);
    expect(logits(base)).toEqual(before);
  });

  it('in a file leaves the model as it was', async () => {
    const base = await llama();
    for (const parameter of parameters(base)) parameter.trainable = true;
    const [before, tensors] = [logits(base), tf.memory().numTensors];
    const files = {
      'adapter_config.json': JSON.stringify({ peft_type: 'LORA', r: 2, target_modules: ['q_proj'] }),
      'adapter_model.safetensors': Uint8Array.from([255, 255, 255, 255, 255, 255, 255, 127, 123]),
    };
    await expect(PeftModel.fromPretrained(base, memory(files), { tuners: [lora] })).rejects.toThrow('adapter_model.safetensors');
    const lacking = { ...files, 'adapter_model.safetensors': Uint8Array.from([2, 0, 0, 0, 0, 0, 0, 0, 123, 125]) };
    await expect(PeftModel.fromPretrained(base, memory(lacking), { tuners: [lora] })).rejects.toThrow(/missing: .*lora_A.*\n.*lora_B/);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(parameters(base).every((parameter) => parameter.trainable)).toBe(true);
    expect(logits(base)).toEqual(before);
  });
});
