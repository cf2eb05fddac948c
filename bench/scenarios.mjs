import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getPeftModel, initialize, manualSeed } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { loraConfig } from '@peft/lora';
import * as models from '@peft/models';
import { cache } from './lib/environment.mjs';
import { longTail } from './lib/longTail.mjs';

const shapes = JSON.parse(readFileSync(new URL('shapes.json', import.meta.url), 'utf8'));

const vocabulary = { gpt2: 50257, llama: 32000, bert: 30522 };
const ids = (shape, rows, columns) =>
  Array.from({ length: rows }, (_, b) => Array.from({ length: columns }, (_, t) => (b * 7919 + t * 104729 + 17) % vocabulary[shape]));

/** A batch in which each position, or each row, has a label. */
function batch(shape, rows = 4, columns = 128) {
  const input_ids = ids(shape, rows, columns);
  return { input_ids, labels: shape === 'bert' ? input_ids.map((_, row) => row % 2) : input_ids };
}

const ms = ({ ms }) => ms;
const step = (what, shape, options = {}) => ({
  what,
  shape,
  kind: 'step',
  unit: 'ms',
  measure: ms,
  job: { batch: batch(shape), ...options },
});
const fresh = (what, shape, kind, job) => ({ what, shape, kind, job, fresh: true, unit: 's', measure: ({ wall }) => wall / 1000 });
const memory = (what, shape, kind, job) => ({ ...fresh(what, shape, kind, job), unit: 'MB', measure: ({ peakMb }) => peakMb });
/** A mixed batch: eight rows by eight of a hundred adapters. */
const mixed = (shape) => ({ adapters: 100, rows: [3, 14, 15, 92, 65, 35, 89, 79], batch: { input_ids: ids(shape, 8, 32) } });
const adapters = (what, kind, job) => ({ what, shape: 'llama', kind, unit: 'ms', measure: ms, job });
const generation = (shape) => ({ prompt: ids(shape, 1, 32)[0], tokens: 32 });

/** Each compares one number of ours with Python PEFT's; smaller is better. */
export const scenarios = {
  'gpt2-step': step('a LoRA step, gpt2, 4×128 labelled tokens', 'gpt2'),
  'llama-step': step('a LoRA step, a Llama of width 512, 4×128 labelled tokens', 'llama'),
  'bert-step': step('a LoRA step, bert-base, 4×128 tokens', 'bert'),
  'mrpc-epoch': {
    what: 'LoRA on bert-base, 8 batches of 16 pairs, as long as those of MRPC',
    shape: 'bert',
    kind: 'epoch',
    unit: 'ms',
    measure: ms,
    job: () => ({ data: longTail('bert', vocabulary.bert, 8) }),
  },
  'prompts-epoch': {
    what: 'LoRA on a Llama of width 512, 6 batches of 8 texts with masked prompts and padding',
    shape: 'llama',
    kind: 'epoch',
    unit: 'ms',
    measure: ms,
    job: () => ({ data: longTail('llama', vocabulary.llama, 6) }),
  },
  decode: { what: 'greedy decoding, gpt2, a token', shape: 'gpt2', kind: 'decode', unit: 'ms', measure: ms, job: generation('gpt2') },
  'decode-llama': {
    what: 'greedy decoding, a Llama of width 512, a token',
    shape: 'llama',
    kind: 'decode',
    unit: 'ms',
    measure: ms,
    job: generation('llama'),
  },
  'cold-token': fresh('from start to first token, gpt2', 'gpt2', 'cold-token', generation('gpt2')),
  'cold-step': fresh('from start to first training step, gpt2', 'gpt2', 'cold-step', { batch: batch('gpt2') }),
  memory: memory('peak memory of training, gpt2', 'gpt2', 'memory-train', { batch: batch('gpt2') }),
  'memory-llama': memory('peak memory of training, a Llama of width 512', 'llama', 'memory-train', { batch: batch('llama') }),
  'memory-bert': memory('peak memory of training, bert-base', 'bert', 'memory-train', { batch: batch('bert') }),
  'memory-generate': memory('peak memory of generating, gpt2', 'gpt2', 'memory-generate', generation('gpt2')),
  'ia3-step': step('an (IA)³ step, a Llama of width 512', 'llama', { method: 'ia3' }),
  'prefix-step': step('a prefix-tuning step, a Llama of width 512', 'llama', { method: 'prefix' }),
  'prompt-step': step('a prompt-tuning step, a Llama of width 512', 'llama', { method: 'prompt-tuning' }),
  'rank-64-step': step('a LoRA step of rank 64, a Llama of width 512', 'llama', { rank: 64 }),
  'batch-16-step': step('a LoRA step, a Llama of width 512, 16×128 tokens', 'llama', { batch: batch('llama', 16) }),
  'adapter-load': adapters('loading an adapter from a folder onto a Llama of width 512', 'adapter-load', () => adapterFolder('llama')),
  'adapter-switch': adapters('switching between two adapters', 'adapter-switch', () => adapterFolder('llama')),
  'adapter-merge': adapters('merging an adapter', 'adapter-merge', () => adapterFolder('llama')),
  'mixed-batch': adapters('a pass over 8×32 tokens, a row each by eight of a hundred adapters', 'mixed-batch', mixed('llama')),
  'memory-adapters': memory('peak memory of the same', 'llama', 'memory-adapters', mixed('llama')),
  'length-512-step': step('a LoRA step, a Llama of width 512, 1×512 tokens', 'llama', { batch: batch('llama', 1, 512) }),
};

/** What both sides are told: where the model is, and the scenario's own settings. */
export async function jobOf({ shape, job }) {
  const { auto, task_type, lora } = shapes[shape];
  return { folder: await modelFolder(shape), auto, task_type, lora, ...(typeof job === 'function' ? await job() : job) };
}

/** A model of random values, made once and read by both sides. */
async function modelFolder(shape) {
  const folder = join(cache, 'bench', shape);
  if (existsSync(join(folder, 'ready'))) return folder;
  const { auto, config } = shapes[shape];
  await useEngine({ engine: 'wasm', log: () => {} });
  manualSeed(0);
  const model = await models[auto].fromConfig(config);
  initialize(model);
  mkdirSync(folder, { recursive: true });
  await model.savePretrained(folder);
  writeFileSync(join(folder, 'ready'), '');
  return folder;
}

/** An adapter for it whose every value is random. */
async function adapterFolder(shape) {
  const { auto, task_type, lora } = shapes[shape];
  const adapter = join(cache, 'bench', `${shape}-adapter`);
  if (existsSync(adapter)) return { adapter };
  await useEngine({ engine: 'wasm', log: () => {} });
  const base = await models[auto].fromPretrained(await modelFolder(shape));
  const model = getPeftModel(base, loraConfig({ task_type, r: 8, lora_alpha: 16, init_lora_weights: false, ...lora }));
  await model.savePretrained(adapter);
  return { adapter };
}
