// The main job: fine-tune a pretrained language model with an adapter, save it, load it, use it, merge it.
//   npm run quickstart [-- --model <hub id or folder> --data <text file> --eval <text file> --method lora --steps 150 --out <folder>]
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { getPeftModel, manualSeed, PeftModel } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { AutoModelForCausalLM, AutoTokenizer } from '@peft/models';
import { adamW, dataCollatorForLanguageModeling, dataLoader, linearSchedule, progress, textBlocks } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';

const here = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: here('models/sotu-0.9m') },
    data: { type: 'string', default: here('data/moby-dick/train.txt') },
    eval: { type: 'string' },
    method: { type: 'string', default: 'lora' },
    steps: { type: 'string', default: '150' },
    out: { type: 'string', default: here('out/quickstart') },
    prompt: { type: 'string', default: 'The whale' },
  },
});

/** Each method with the settings that suit this task. */
const methods = {
  lora: async () => {
    const { lora, loraConfig } = await import('@peft/lora');
    return { tuner: lora, config: loraConfig({ task_type: 'CAUSAL_LM', r: 8, lora_alpha: 16, target_modules: 'all-linear' }) };
  },
};
if (!Object.hasOwn(methods, options.method)) {
  console.error(`--method ${options.method} is not known; there are: ${Object.keys(methods).join(', ')}`);
  process.exit(2);
}
const steps = Number(options.steps);
if (!Number.isInteger(steps) || steps < 1) {
  console.error(`--steps must be a whole number above 0, not ${options.steps}`);
  process.exit(2);
}

await useEngine({ purpose: 'training' });
manualSeed(0);

const model = await AutoModelForCausalLM.fromPretrained(options.model);
const tokenizer = await AutoTokenizer.fromPretrained(options.model);
const context = Math.min(128, model.config.max_position_embeddings ?? model.config.n_positions ?? 128);
const blocksOf = async (file) => textBlocks(tokenizer(await readFile(file, 'utf8'), { add_special_tokens: false }).input_ids, context);
// Text of one's own is split: the last tenth is held out.
const evalFile = options.eval ?? (options.data === here('data/moby-dick/train.txt') ? here('data/moby-dick/eval.txt') : undefined);
const all = await blocksOf(options.data);
const cut = evalFile ? all.length : Math.floor(all.length * 0.9);
const trainBlocks = all.slice(0, cut);
const evalBlocks = (evalFile ? await blocksOf(evalFile) : all.slice(cut)).slice(0, 128);
const collate = dataCollatorForLanguageModeling(tokenizer);

async function evaluate(subject) {
  let total = 0;
  for (const batch of dataLoader(evalBlocks, { batch_size: 8, collate })) {
    const loss = tf.tidy(() => subject.forward({ ...batch, return_logits: false }).loss);
    total += (await loss.data())[0] * batch.input_ids.length;
    loss.dispose();
  }
  return total / evalBlocks.length;
}

async function sample(subject) {
  const { input_ids } = tokenizer([options.prompt], { add_special_tokens: false });
  const [ids] = await subject.generate({ input_ids, max_new_tokens: 40, repetition_penalty: 1.2 });
  return tokenizer.decode(ids, { skip_special_tokens: true }).replaceAll('\n', ' ');
}

const report = (loss) => `loss ${loss.toFixed(4)}, perplexity ${Math.exp(loss).toFixed(1)}`;
console.log(`model    ${options.model.replace(here(''), '')}`);
console.log(`data     ${trainBlocks.length} blocks of ${context} tokens; ${evalBlocks.length} held out`);
console.log(`before   ${report(await evaluate(model))}`);
console.log(`         ${await sample(model)}`);

const { tuner, config } = await methods[options.method]();
const peft = getPeftModel(model, config, { tokenizer });
peft.printTrainableParameters();

const loader = dataLoader(trainBlocks, { batch_size: 8, shuffle: true, seed: 0, collate, dropLast: true });
const optimizer = adamW(peft, { lr: 3e-3 });
const scheduler = linearSchedule(optimizer, { warmupSteps: Math.min(10, steps), totalSteps: steps });
const started = performance.now();
peft.train();
for await (const { batch, update } of progress(repeat(loader, steps), { total: steps, label: 'train' })) {
  const loss = optimizer.backward(() => peft.forward(batch).loss);
  optimizer.step();
  scheduler.step();
  optimizer.zeroGrad();
  update({ loss, tokens: batch.input_ids.length * context });
}
peft.eval();
const seconds = (performance.now() - started) / 1000;

console.log(`after    ${report(await evaluate(peft))}   (${steps} steps in ${seconds.toFixed(1)} s)`);
const tuned = await sample(peft);
console.log(`         ${tuned}`);

await mkdir(options.out, { recursive: true });
await peft.savePretrained(options.out);
for (const name of (await readdir(options.out)).filter((file) => file.startsWith('adapter_'))) console.log(`saved    ${name}, ${(await stat(join(options.out, name))).size} bytes`);

const fresh = await AutoModelForCausalLM.fromPretrained(options.model);
const loaded = await PeftModel.fromPretrained(fresh, options.out, { tuners: [tuner] });
same('reloaded', await sample(loaded));
same('merged', await sample(loaded.mergeAndUnload()));

function same(what, text) {
  console.log(`${what.padEnd(8)} ${text === tuned ? 'gives the same text' : `gives other text: ${text}`}`);
  if (text !== tuned) process.exitCode = 1;
}

function* repeat(batches, count) {
  for (let step = 0; ; ) for (const batch of batches) if (step++ < count) yield batch;
    else return;
}
