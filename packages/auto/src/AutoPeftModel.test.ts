import '@tensorflow/tfjs-backend-wasm';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type HubProgress, type MemoryFiles, PeftModel, setWarningHandler } from '@peft/core';
import { ia3 } from '@peft/ia3';
import { lora } from '@peft/lora';
import { AutoModelForCausalLM } from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { COMMIT, startHub, TOKEN } from '../../core/src/files/fixtures/hubServer';
import {
  AutoPeftModel,
  AutoPeftModelForCausalLM,
  AutoPeftModelForFeatureExtraction,
  AutoPeftModelForQuestionAnswering,
  AutoPeftModelForSeq2SeqLM,
  AutoPeftModelForSequenceClassification,
  AutoPeftModelForTokenClassification,
} from './index';

const reference = (path: string) => fileURLToPath(new URL(`../../../fixtures/reference/${path}`, import.meta.url));
const tokenizers = fileURLToPath(new URL('../../models/src/fixtures/tokenizers/', import.meta.url));
const llama = reference('llama-causal-lm/base');

/** A folder's files, with some fields of one of them changed. */
async function filesOf(where: string, change: object = {}, changed = 'adapter_config.json'): Promise<Record<string, Uint8Array>> {
  const names = (await readdir(where)).filter((name) => !name.startsWith('expected'));
  const files = Object.fromEntries(await Promise.all(names.map(async (name) => [name, new Uint8Array(await readFile(join(where, name)))])));
  const text = JSON.stringify({ ...JSON.parse(await readFile(join(where, changed), 'utf8')), ...change });
  return { ...files, [changed]: new TextEncoder().encode(text) };
}
const adapterFor = (base: string | null, change: object = {}): Promise<MemoryFiles> =>
  filesOf(reference('llama-causal-lm/lora'), { base_model_name_or_path: base, ...change });

const input_ids = [[5, 9, 31, 7, 22]];
const valuesOf = (output: { logits?: tf.Tensor; start_logits?: tf.Tensor; last_hidden_state?: tf.Tensor }) =>
  Array.from((output.logits ?? output.start_logits ?? output.last_hidden_state)?.dataSync() ?? []);
const outputs = (model: { forward(batch: never): object }, batch: object = { input_ids }) =>
  tf.tidy(() => valuesOf(model.forward(batch as never)));

let warnings: string[];
beforeAll(async () => {
  await tf.setBackend('wasm');
});
beforeEach(() => {
  warnings = [];
  setWarningHandler((message) => warnings.push(message));
});
afterEach(() => setWarningHandler(undefined));

/** Of 10 tokens. */
async function smallTokenizer(): Promise<MemoryFiles> {
  const vocab = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`t${i}`, i]));
  const model = { type: 'WordLevel', vocab, unk_token: 't0' };
  const json = { added_tokens: [], normalizer: null, pre_tokenizer: { type: 'Whitespace' }, post_processor: null, decoder: null, model };
  return { 'tokenizer.json': JSON.stringify(json), 'tokenizer_config.json': '{}' };
}

describe('base model and adapter from the adapter alone', () => {
  it.each([
    ['llama-causal-lm', 'lora', AutoPeftModelForCausalLM],
    ['gpt2-causal-lm', 'adaption-prompt', AutoPeftModelForCausalLM],
    ['t5-seq-2-seq-lm', 'ia3', AutoPeftModelForSeq2SeqLM],
    ['bert-seq-cls', 'adalora', AutoPeftModelForSequenceClassification],
    ['bert-token-cls', 'lora', AutoPeftModelForTokenClassification],
    ['bert-question-ans', 'lora', AutoPeftModelForQuestionAnswering],
    ['bert-feature-extraction', 'ia3', AutoPeftModelForFeatureExtraction],
  ])('%s with %s', async (folder, method, auto) => {
    const base = reference(`${folder}/base`);
    const model = await auto.fromPretrained(await filesOf(reference(`${folder}/${method}`), { base_model_name_or_path: base }));
    expect(model.getBaseModel().name_or_path).toBe(base);
    expect(model.training).toBe(false);
    expect(Object.keys(model.trainableParameters())).toEqual([]);
    const batch = { input_ids, ...(folder.startsWith('t5') && { decoder_input_ids: [[0, 4]] }) };
    const adapted = outputs(model, batch);
    expect(adapted.every(Number.isFinite)).toBe(true);
    expect(model.disableAdapter(() => outputs(model, batch))).not.toEqual(adapted);
    model.dispose();
  });

  it('whisper with lora, by the class that it names', async () => {
    const base = reference('whisper-speech-seq-2-seq/base');
    const model = await AutoPeftModel.fromPretrained(
      await filesOf(reference('whisper-speech-seq-2-seq/lora'), { base_model_name_or_path: base }),
    );
    const batch = { input_features: tf.ones([1, 8, 40]), decoder_input_ids: [[2, 5, 9]] };
    const adapted = outputs(model, batch);
    expect(model.disableAdapter(() => outputs(model, batch))).not.toEqual(adapted);
    model.dispose();
  });

  it('gives what loading by hand gives, and goes on training where that is asked for', async () => {
    const files = await adapterFor(llama);
    const byHand = await PeftModel.fromPretrained(await AutoModelForCausalLM.fromPretrained(llama), files, { tuners: [lora] });
    const model = await AutoPeftModelForCausalLM.fromPretrained(files, { adapterName: 'mine', isTrainable: true });
    expect(model.activeAdapters).toEqual(['mine']);
    expect(model.training).toBe(true);
    expect(Object.keys(model.trainableParameters()).length).toBeGreaterThan(0);
    expect(outputs(model.eval())).toEqual(outputs(byHand));
    byHand.dispose();
    model.dispose();
  });

  it('passes settings of the head on to the base model, and frees it where the adapter does not fit', async () => {
    const files = await filesOf(reference('bert-seq-cls/lora'), { base_model_name_or_path: reference('bert-seq-cls/base') });
    const before = tf.memory().numTensors;
    const options = { num_labels: 7, ignore_mismatched_sizes: true };
    await expect(AutoPeftModelForSequenceClassification.fromPretrained(files, options)).rejects.toThrow(/classifier.weight is .*\[7,/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('takes tuners that no package is for', async () => {
    const mine = { ...lora, type: 'MINE', fields: { ...lora.fields, peft_type: { ...lora.fields.peft_type, accepts: () => true } } };
    const files = await adapterFor(llama, { peft_type: 'MINE' });
    await expect(AutoPeftModelForCausalLM.fromPretrained(files)).rejects.toThrow(
      /no method is known for peft_type "MINE"; there are packages for ADALORA, .*tuners: \[\.\.\.\]/,
    );
    const model = await AutoPeftModelForCausalLM.fromPretrained(files, { tuners: [mine as never, ia3] });
    expect(model.peftConfig.default?.peft_type).toBe('MINE');
    model.dispose();
  });
});

describe('an adapter without a task', () => {
  const mapping = { base_model_class: 'LlamaForCausalLM', parent_library: 'transformers.models.llama.modeling_llama' };

  it('is loaded on the class that its auto_mapping names, or on the one that is asked for', async () => {
    const files = await adapterFor(llama, { task_type: null, auto_mapping: mapping });
    const model = await AutoPeftModel.fromPretrained(files);
    const typed = await AutoPeftModelForCausalLM.fromPretrained(files);
    expect(outputs(model as never)).toEqual(outputs(typed));
    model.dispose();
    typed.dispose();
  });

  it('is loaded on a model of images, too', async () => {
    const base = reference('vit-image-cls/base');
    const files = await filesOf(reference('vit-image-cls/lora-conv2d'), { base_model_name_or_path: base });
    const model = await AutoPeftModel.fromPretrained({ ...files, ...(await smallTokenizer()) });
    const pixel_values = [
      [0, 1, 2].map((c) => Array.from({ length: 16 }, (_, y) => Array.from({ length: 16 }, (_, x) => Math.sin(c + y * x)))),
    ];
    const adapted = outputs(model, { pixel_values });
    expect(adapted).toHaveLength(5);
    expect(adapted.every(Number.isFinite)).toBe(true);
    expect(model.disableAdapter(() => outputs(model, { pixel_values }))).not.toEqual(adapted);
    model.dispose();
  });

  it('is refused where nothing says of which class it is, or one that is not there', async () => {
    const refused = async (change: object, message: RegExp | string, auto: typeof AutoPeftModel = AutoPeftModel) =>
      expect(auto.fromPretrained(await adapterFor(llama, change))).rejects.toThrow(message);
    await refused({ task_type: null }, 'neither its task_type nor its auto_mapping');
    await refused({ task_type: null }, 'neither its task_type nor its auto_mapping', AutoPeftModelForCausalLM as never);
    await refused(
      { task_type: null, auto_mapping: { base_model_class: 'UNet2DConditionModel', parent_library: 'diffusers.models.unets' } },
      'UNet2DConditionModel of diffusers.models.unets: models of transformers are there, those of diffusers not yet',
    );
    await refused(
      { task_type: null, auto_mapping: { ...mapping, base_model_class: 'CLIPVision' } },
      'no class for the architecture CLIPVision',
    );
    await refused({}, 'this adapter is for the task CAUSAL_LM: choose the class of that task');
    await refused(
      {},
      'this adapter is for the task CAUSAL_LM, and AutoPeftModelForSeq2SeqLM loads adapters for SEQ_2_SEQ_LM',
      AutoPeftModelForSeq2SeqLM as never,
    );
  });
});

it('says what is missing, and refuses by name what is not there yet', async () => {
  await expect(AutoPeftModelForCausalLM.fromPretrained(await adapterFor(null))).rejects.toThrow('give it as baseModel');
  await expect(AutoPeftModelForCausalLM.fromPretrained(await adapterFor('../nowhere/at all'))).rejects.toThrow('is no folder here');
  for (const name of ['load_in_8bit', 'device_map'])
    await expect(AutoPeftModelForCausalLM.fromPretrained(await adapterFor(llama), { [name]: true })).rejects.toThrow(
      `${name}: not there yet`,
    );
});

describe('a tokenizer beside the adapter', () => {
  it.each([
    ['more tokens than the base model has', 'bert', 600],
    ['fewer', '', 97],
  ])('with %s: embeddings only ever grow', async (_, tokenizer, size) => {
    const files = await adapterFor(llama);
    const more = tokenizer === '' ? await smallTokenizer() : await filesOf(tokenizers + tokenizer, {}, 'tokenizer_config.json');
    const model = await AutoPeftModelForCausalLM.fromPretrained({ ...files, ...more });
    const base = model.getBaseModel();
    expect(base.config.vocab_size).toBe(size);
    expect(outputs(model).length).toBe(5 * size);
    model.dispose();
  });

  it('that cannot be read is warned about', async () => {
    const files = await adapterFor(llama);
    const model = await AutoPeftModelForCausalLM.fromPretrained({ ...files, 'tokenizer_config.json': '{}', 'tokenizer.model': 'x' });
    expect(warnings.join('\n')).toMatch(/more tokens than the base model is not known: .*sentencepiece/);
    model.dispose();
  });
});

it('loads from a hub: folder, token, base revision, progress, cache', async () => {
  const base = await filesOf(llama, {}, 'config.json');
  const adapter = await filesOf(reference('llama-causal-lm/lora'), { base_model_name_or_path: 'owner/name', revision: COMMIT });
  const inFolder = Object.fromEntries(Object.entries(adapter).map(([name, bytes]) => [`adapters/one/${name}`, bytes]));
  const server = await startHub({ ...base, ...inFolder });
  const cacheDir = await mkdtemp(join(tmpdir(), 'auto-'));
  const progress: HubProgress[] = [];
  const options = { subfolder: 'adapters/one', token: TOKEN, cacheDir, endpoint: server.endpoint };
  try {
    const model = await AutoPeftModelForCausalLM.fromPretrained('owner/name', { ...options, onProgress: (step) => progress.push(step) });
    const here = await AutoPeftModelForCausalLM.fromPretrained(await adapterFor(llama));
    expect(outputs(model)).toEqual(outputs(here));
    here.dispose();
    const done = progress.filter(({ loaded, total }) => loaded === total).map(({ file }) => file);
    expect(done).toEqual(expect.arrayContaining(['model.safetensors', 'adapters/one/adapter_model.safetensors']));
    expect(server.requests.some(({ line }) => line.includes(`/revision/${COMMIT}`))).toBe(true);

    server.requests.length = 0;
    const again = await AutoPeftModelForCausalLM.fromPretrained('owner/name', { ...options, localFilesOnly: true });
    expect(outputs(again)).toEqual(outputs(model));
    expect(server.requests).toEqual([]);
    again.dispose();
    model.dispose();
    await expect(
      AutoPeftModelForCausalLM.fromPretrained('owner/name', { ...options, token: 'wrong', cacheDir: `${cacheDir}/x` }),
    ).rejects.toThrow(/token/);
  } finally {
    await server.close();
    await rm(cacheDir, { recursive: true });
  }
});

it('keeps no tensors when a model is disposed', async () => {
  const once = async () => (await AutoPeftModelForCausalLM.fromPretrained(await adapterFor(llama))).dispose();
  await once();
  const before = tf.memory().numTensors;
  await once();
  expect(tf.memory().numTensors).toBe(before);
});
