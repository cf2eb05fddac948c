// What can be done with LoRA adapters once they are trained: merging, unmerging, unloading, deleting, switching, mixing in one
// batch, and combining two into a third. After PEFT's guides:
// https://huggingface.co/docs/peft/main/en/developer_guides/lora and …/developer_guides/model_merging
import { readFile } from 'node:fs/promises';
import { getPeftModel, manualSeed, PeftModel } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { lora, loraConfig } from '@peft/lora';
import { AutoModelForCausalLM, AutoTokenizer } from '@peft/models';
import { adamW, dataCollatorForLanguageModeling, dataLoader, linearSchedule, progress, Trainer, textBlocks } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { expect, meanLoss, readOptions, repeat } from '../common.mjs';
import { sentences } from '../pretrain/sentences.mjs';

const options = readOptions(
  `node examples/7-merging/main.mjs [options]
  --trainer          train by the Trainer, not by a loop of one's own
  --guide <file>     the guide's own model, TinyLlama/TinyLlama_v1.1, on a text of your own beside the made-up news
  --model <id>       another model
  --steps <n>        [40]`,
  { model: 'models/sotu-0.9m', guideModel: 'TinyLlama/TinyLlama_v1.1', steps: 40, length: 64 },
);

await useEngine({ purpose: 'training' });
manualSeed(0);
const tokenizer = await AutoTokenizer.fromPretrained(options.model);
const collate = dataCollatorForLanguageModeling(tokenizer);
const blocksOf = (text) => textBlocks(tokenizer.encode(text, { add_special_tokens: false }), options.length);
const news = (count, seed) => sentences(count, seed).map(({ sentence }) => sentence).join('\n'); // biome-ignore format: one thing
const train = {
  whale: blocksOf(await readFile(options.guide ?? 'data/moby-dick/train.txt', 'utf8')),
  news: blocksOf(news(1000, 0)),
};
const held = {
  whale: options.guide ? train.whale.splice(-32) : blocksOf(await readFile('data/moby-dick/eval.txt', 'utf8')).slice(0, 32),
  news: blocksOf(news(200, 1)).slice(0, 32),
};
const lossOn = (model, what) => meanLoss(model, dataLoader(held[what], { batch_size: 8, collate }));

const base = await AutoModelForCausalLM.fromPretrained(options.model);
const config = () => loraConfig({ task_type: 'CAUSAL_LM', r: 8, lora_alpha: 16, target_modules: 'all-linear' });
const inputs = { input_ids: [...held.whale.slice(0, 1), ...held.news.slice(0, 2)].map(({ input_ids }) => input_ids) };
/** The scores of three texts. */
const logits = (model, more = {}) => tf.tidy(() => model.forward({ ...inputs, ...more }).logits.dataSync());
const apart = (a, b) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) / a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const bare = logits(base);

const results = {};
async function measure(name, model) {
  results[name] = { whale: await lossOn(model, 'whale'), news: await lossOn(model, 'news') };
  console.log(`${name.padEnd(24)} whale ${results[name].whale.toFixed(4)}   news ${results[name].news.toFixed(4)}`);
}
await measure('base', base);

// Two adapters on one model, each trained while the other one rests.
const model = getPeftModel(base, config(), { adapterName: 'whale' });
model.addAdapter('news', config());
for (const name of ['whale', 'news']) {
  model.setAdapter(name);
  await (options.trainer ? trainByTrainer : trainByHand)(name);
  await measure(name, model);
}
expect('each adapter is best on its own text', results.whale.whale < results.news.whale && results.news.news < results.whale.news);

// Switching, and one adapter a row in a batch.
const alone = {};
for (const name of ['whale', 'news']) {
  model.setAdapter(name);
  alone[name] = logits(model);
}
const mixed = logits(model, { adapter_names: ['whale', 'news', '__base__'] });
const row = mixed.length / 3;
const rows = [alone.whale.slice(0, row), alone.news.slice(row, 2 * row), bare.slice(2 * row)];
expect(
  'rows of a mixed batch are what they are alone',
  rows.every((wanted, i) => apart(wanted, mixed.slice(i * row, (i + 1) * row)) < 1e-5),
);
expect(
  'disabled, the model is the base',
  apart(
    bare,
    model.disableAdapter(() => logits(model)),
  ) === 0,
);

// Weighted combinations.
const combinations = {
  linear: {},
  cat: {},
  svd: {},
  ties: { density: 0.5 },
  dare_linear: { density: 0.7 },
  magnitude_prune: { density: 0.5 },
};
for (const [combination_type, settings] of Object.entries(combinations)) {
  model.addWeightedAdapter(['whale', 'news'], [0.6, 0.6], combination_type, { combination_type, ...settings });
  model.setAdapter(combination_type);
  await measure(combination_type, model);
  if (combination_type !== 'cat') model.deleteAdapter(combination_type);
}
expect(
  'put side by side, the two are better than the base on both',
  ['whale', 'news'].every((what) => results.cat[what] < results.base[what]),
);
expect('deleted adapters are gone', Object.keys(model.peftConfig).join() === 'whale,news,cat');

await model.savePretrained('out/adapters', { selectedAdapters: ['whale'] });

// Merging, and back to the bit.
model.setAdapter('cat');
const both = logits(model);
model.mergeAdapter({ safeMerge: true });
expect('merged, the model computes the same', apart(both, logits(model)) < 1e-5);
model.unmergeAdapter();
expect('unmerged, it is what it was, to the bit', apart(both, logits(model)) === 0);

// The base model again, and the base model with an adapter in its weights.
const merged = model.mergeAndUnload();
expect('merged and unloaded, the base has learnt both', merged === base && apart(both, logits(merged)) < 1e-5);
await merged.savePretrained('out/merged');
const reloaded = await AutoModelForCausalLM.fromPretrained('out/merged');
await measure('merged and loaded', reloaded);
expect('the merged model is a model of its own', Math.abs(results['merged and loaded'].whale - results.cat.whale) < 1e-4);
const fresh = await AutoModelForCausalLM.fromPretrained(options.model);
const loaded = await PeftModel.fromPretrained(fresh, 'out/adapters/whale', { tuners: [lora] });
expect('loaded on a fresh base, an adapter computes the same', apart(alone.whale, logits(loaded)) < 1e-5);
expect('unloaded, the base is what it was', apart(bare, logits(loaded.unload())) === 0);

async function trainByHand(name) {
  const loader = dataLoader(train[name], { batch_size: 8, shuffle: true, seed: 0, collate, dropLast: true });
  const optimizer = adamW(model, { lr: 3e-3 });
  const scheduler = linearSchedule(optimizer, { warmupSteps: 5, totalSteps: options.steps });
  model.train();
  for await (const { batch, update } of progress(repeat(loader, options.steps), { total: options.steps, label: name })) {
    const loss = optimizer.backward(() => model.forward(batch).loss);
    optimizer.step();
    scheduler.step();
    optimizer.zeroGrad();
    update({ loss });
  }
  model.eval();
}

async function trainByTrainer(name) {
  const args = { max_steps: options.steps, learning_rate: 3e-3, per_device_train_batch_size: 8, warmup_steps: 5, seed: 0 };
  await new Trainer({ model, args, train_dataset: train[name], data_collator: collate }).train();
}
