// Trains the small models that stand in for the guides' own, from nothing, with this library:
//   node examples/pretrain/main.mjs <t5 | bloom | roberta | comparing | whisper | segformer> [--steps n] [--out folder]
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { initialize, manualSeed } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { AutoModel, AutoTokenizer } from '@peft/models';
import { adamW, cosineSchedule, progress } from '@peft/train';
import * as standIns from './standIns.mjs';
import { writeTokenizer } from './tokenizer.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { steps: { type: 'string' }, out: { type: 'string' } } });
const standIn = standIns[positionals[0]];
if (!standIn) throw new Error(`name a model: ${Object.keys(standIns).join(', ')}`);
const steps = Number(values.steps ?? standIn.steps);
const out = values.out ?? fileURLToPath(new URL(`../../models/${standIn.name}`, import.meta.url));

await useEngine({ purpose: 'training' });
const { seed = 1, from } = standIn;
manualSeed(seed);
const examples = standIn.examples(seed);
const take = async (count) => {
  const taken = [];
  while (taken.length < count) taken.push((await examples.next()).value);
  return taken;
};
let tokenizer;
if (standIn.tokenizer) {
  if (!from) await writeTokenizer(out, (await take(4000)).flatMap(standIn.texts), standIn.tokenizer);
  tokenizer = await AutoTokenizer.fromPretrained(out);
}
// What a model learns next begins with what it has learnt.
const model = from ? await AutoModel.fromPretrained(out) : await standIn.model(tokenizer);
if (!from) initialize(model);
const { loss, parameters } = standIn.training(model, tokenizer);
const optimizer = adamW(parameters, { lr: standIn.lr, betas: standIn.betas, weight_decay: 0.01 });
const scheduler = cosineSchedule(optimizer, { warmupSteps: 100, totalSteps: steps });
let mean;
const batches = async function* () {
  for (let step = 0; step < steps; step++) yield await take(standIn.batch_size);
};
for await (const { batch, update } of progress(batches(), { total: steps, label: standIn.name })) {
  const value = optimizer.backward(() => loss(batch));
  optimizer.clipGradNorm(1);
  optimizer.step();
  scheduler.step();
  optimizer.zeroGrad();
  mean = mean === undefined ? value : 0.98 * mean + 0.02 * value;
  update({ loss: mean });
}
await model.savePretrained(out, { dtype: 'float16' });
await standIn.processor?.savePretrained(out);
console.log(`${join(out)}: ${steps} steps, loss ${mean.toFixed(4)}`);
