import '@tensorflow/tfjs-backend-wasm';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getPeftModel, memory, memorySink, PeftModel, readSafetensors, setWarningHandler } from '@peft/core';
import { adamW, Trainer } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type PromptEncoderConfig, promptEncoderConfig, pTuning } from './index';
import { bases, createModel } from './models.testing';

const warnings: string[] = [];

beforeAll(async () => {
  await tf.setBackend('wasm');
  setWarningHandler((message) => warnings.push(message));
});
beforeEach(() => void warnings.splice(0));
afterAll(() => void setWarningHandler(undefined));

const config = (options: Partial<PromptEncoderConfig> = {}) =>
  promptEncoderConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 3, ...options });
const adapted = async (options: Partial<PromptEncoderConfig> = {}) => getPeftModel(await createModel(bases.llama), config(options)).eval();
type Adapted = Awaited<ReturnType<typeof adapted>>;
const { batch } = bases.llama;
const logits = (model: Adapted) => tf.tidy(() => model.forward({ ...batch, return_logits: true } as never).logits?.dataSync());
const saved = async (model: Pick<Adapted, 'savePretrained'>) => {
  const sink = memorySink();
  await model.savePretrained(sink);
  return memory(sink.files);
};
const load = async (source: Awaited<ReturnType<typeof saved>>, options = {}) =>
  PeftModel.fromPretrained(await createModel(bases.llama), source, { tuners: [pTuning], ...options });
const shapes = (model: Adapted) =>
  Object.fromEntries(Object.entries(model.trainableParameters()).map(([name, { shape }]) => [name.replace('prompt_encoder.', ''), shape]));

describe('the config', () => {
  it.each<[string, Partial<PromptEncoderConfig>]>([
    ['num_virtual_tokens must be given', { num_virtual_tokens: null as never }],
    ['task_type must be given', { task_type: null }],
    ['encoder_reparameterization_type must be one of "MLP", "LSTM"', { encoder_reparameterization_type: 'GRU' as never }],
    ['encoder_hidden_size must be a whole number above 0', { encoder_hidden_size: 0 }],
    ['encoder_num_layers must be a whole number above 0', { encoder_num_layers: 0 }],
    ['encoder_dropout must be a number from 0 to 1', { encoder_dropout: 1.5 }],
  ])('is refused: %s', (words, options) => {
    expect(() => config(options)).toThrow(words);
  });

  it("has the model's width for an encoder that has none", async () => {
    expect((await adapted()).peftConfig.default).toMatchObject({ token_dim: 16, encoder_hidden_size: 16 });
  });
});

describe('the encoder', () => {
  it('is an MLP of three layers, whatever encoder_num_layers says', async () => {
    const model = await adapted({ encoder_hidden_size: 6, encoder_num_layers: 5 });
    expect(warnings.join()).toContain('encoder_num_layers is 5 and has no effect');
    expect(shapes(model)).toEqual({
      'embedding.weight': [3, 16],
      'mlp_head.0.weight': [6, 16],
      'mlp_head.0.bias': [6],
      'mlp_head.2.weight': [6, 6],
      'mlp_head.2.bias': [6],
      'mlp_head.4.weight': [16, 6],
      'mlp_head.4.bias': [16],
    });
  });

  it('is an LSTM in both directions', async () => {
    const model = await adapted({ encoder_reparameterization_type: 'LSTM', encoder_hidden_size: 6, encoder_num_layers: 1 });
    const direction = (end: string) => ({
      [`lstm_head.weight_ih_l0${end}`]: [24, 16],
      [`lstm_head.weight_hh_l0${end}`]: [24, 6],
      [`lstm_head.bias_ih_l0${end}`]: [24],
      [`lstm_head.bias_hh_l0${end}`]: [24],
    });
    expect(shapes(model)).toEqual({
      'embedding.weight': [3, 16],
      ...direction(''),
      ...direction('_reverse'),
      'mlp_head.0.weight': [12, 12],
      'mlp_head.0.bias': [12],
      'mlp_head.2.weight': [16, 12],
      'mlp_head.2.bias': [16],
    });
    expect(warnings).toEqual([]);
  });

  it("drops out between the LSTM's layers while training only", async () => {
    const model = await adapted({ encoder_reparameterization_type: 'LSTM', encoder_dropout: 0.5 });
    expect(logits(model)).toEqual(logits(model));
    model.train();
    expect(logits(model)).not.toEqual(logits(model));
  });

  it('is not there in an adapter loaded for use, whose prompt is the file', async () => {
    const model = await adapted();
    const source = await saved(model);
    const [prompt, ...more] = [...(await readSafetensors(source, 'adapter_model.safetensors'))];
    expect([prompt?.[0], more]).toEqual(['prompt_embeddings', []]);
    const loaded = await load(source);
    expect(loaded.adapter().prompt_encoder.embedding.weight.value.dataSync()).toEqual(await prompt?.[1].data());
    expect(Object.keys(loaded.adapter().parameters())).toEqual(['prompt_encoder.embedding.weight']);
    expect(logits(loaded)).toEqual(logits(model));
  });
});

describe("Python PEFT's defects", () => {
  it('2, mirrored: the second half for encoder–decoder models is computed, saved and never used', async () => {
    const model = getPeftModel(await createModel(bases.t5), config({ task_type: 'SEQ_2_SEQ_LM' })).eval();
    const encoder = model.adapter().prompt_encoder;
    expect(encoder.embedding.weight.shape).toEqual([6, 16]);
    const optimizer = adamW(model);
    optimizer.backward(() => model.forward(bases.t5.batch as never).loss);
    const gradient = optimizer.gradients['prompt_encoder.embedding.weight']?.arraySync() as number[][];
    expect(gradient.map((row) => Math.hypot(...row) > 0)).toEqual([true, true, true, false, false, false]);
    optimizer.dispose();
  });

  it('11, fixed: a file is not loaded into an encoder that is trained, which would take it for its embedding', async () => {
    const model = await adapted();
    const source = await saved(model);
    const before = logits(model);
    await expect(model.loadAdapter(source, 'default')).rejects.toThrow('P_TUNING files hold only the prompt');
    expect(logits(model)).toEqual(before);
    await expect(load(source, { isTrainable: true })).rejects.toThrow('load it to be used, or train a new adapter');
    await expect(model.loadAdapter(source, 'more', { isTrainable: true })).rejects.toThrow('cannot be loaded into "more"');
    expect(Object.keys(model.peftConfig)).toEqual(['default']);
    await model.loadAdapter(source, 'used');
    model.setAdapter('used');
    expect(logits(model)).toEqual(before);
  });

  it('18, fixed: a prompt loaded for use is not trained', async () => {
    expect((await load(await saved(await adapted()))).getNbTrainableParameters()[0]).toBe(0);
  });
});

describe('training that goes on', () => {
  const data = Array.from({ length: 12 }, (_, i) => ({ input_ids: [5 + i, 9, 31], labels: [5 + i, 9, 31] }));
  const args = {
    per_device_train_batch_size: 2,
    learning_rate: 0.02,
    num_train_epochs: 2,
    save_strategy: 'steps',
    save_steps: 4,
    seed: 3,
  } as const;
  const run = async (output_dir: string, options = {}) => {
    const model = await adapted({ encoder_reparameterization_type: 'LSTM', encoder_hidden_size: 5 });
    const trainer = new Trainer({ model: model as never, args: { ...args, output_dir }, train_dataset: data as never });
    await trainer.train(options);
    return Object.fromEntries(Object.entries(model.trainableParameters()).map(([name, { value }]) => [name, value.dataSync().slice()]));
  };

  it('ends, from a checkpoint, where it would have ended, encoder and all', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'p-tuning-'));
    try {
      const whole = await run(folder);
      expect(await run(folder, { resume_from_checkpoint: join(folder, 'checkpoint-8') })).toEqual(whole);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is refused where the state is not that of the encoder', async () => {
    const [model, other] = [await adapted(), await adapted({ encoder_hidden_size: 4 })];
    expect(() => model.loadTrainingState(other.trainingState())).toThrow('prompt_encoder.mlp_head.0.weight is [4,16] and must be [16,16]');
    expect(() => model.loadTrainingState({})).toThrow('prompt_encoder.embedding.weight is [missing]');
  });
});
