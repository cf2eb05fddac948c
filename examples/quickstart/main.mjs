// The main job: fine-tune a pretrained language model with an adapter, save it, load it, use it, merge it.
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { getPeftModel, manualSeed, PeftModel } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { AutoModelForCausalLM, AutoTokenizer } from '@peft/models';
import { adamW, dataCollatorForLanguageModeling, dataLoader, linearSchedule, progress, textBlocks } from '@peft/train';
import { meanLoss, repeat } from '../common.mjs';
import { methodNames, methodOf } from '../methods.mjs';

const here = (path) => relative(process.cwd(), fileURLToPath(new URL(`../../${path}`, import.meta.url)));
const usage = `npm run quickstart [-- options]
  --model <hub id or folder>  the language model             [models/sotu-0.9m]
  --data <text file>          what to train on               [data/moby-dick/train.txt]
  --eval <text file>          what to measure on             [the held-out chapters; of other data the last tenth]
  --method <name>             METHODS   [lora]
  --steps <n>                 training steps of 8 blocks     [150]
  --prompt <text>             what samples begin with        [The whale]
  --out <folder>              where the adapter is saved     [out/quickstart]`;
const { values: options } = readArguments({
  options: {
    help: { type: 'boolean', default: false },
    model: { type: 'string', default: here('models/sotu-0.9m') },
    data: { type: 'string', default: here('data/moby-dick/train.txt') },
    eval: { type: 'string' },
    method: { type: 'string', default: 'lora' },
    steps: { type: 'string', default: '150' },
    out: { type: 'string', default: here('out/quickstart') },
    prompt: { type: 'string', default: 'The whale' },
  },
});

const steps = Number(options.steps);
if (options.help) {
  console.log(usage.replace('METHODS', methodNames.join(', ')));
  process.exit(0);
}
if (!methodNames.includes(options.method)) stop(`--method ${options.method} is not known; there are: ${methodNames.join(', ')}`);
if (!Number.isInteger(steps) || steps < 1) stop(`--steps must be a whole number above 0, not ${options.steps}`);

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

const evaluate = (subject) => meanLoss(subject, dataLoader(evalBlocks, { batch_size: 8, collate }));

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

const { tuner, config, lr } = await methodOf(options.method, steps);
const peft = getPeftModel(model, config, { tokenizer });
peft.printTrainableParameters();

const loader = dataLoader(trainBlocks, { batch_size: 8, shuffle: true, seed: 0, collate, dropLast: true });
const optimizer = adamW(peft, { lr });
const scheduler = linearSchedule(optimizer, { warmupSteps: Math.min(10, steps), totalSteps: steps });
const started = performance.now();
let step = 0;
peft.train();
for await (const { batch, update } of progress(repeat(loader, steps), { total: steps, label: 'train' })) {
  const loss = optimizer.backward(() => peft.forward(batch).loss);
  optimizer.step();
  peft.afterOptimizerStep(++step, optimizer.gradients); // for methods that change along the training
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
for (const name of (await readdir(options.out)).filter((file) => file.startsWith('adapter_')))
  console.log(`saved    ${name}, ${(await stat(join(options.out, name))).size} bytes`);

const fresh = await AutoModelForCausalLM.fromPretrained(options.model);
const loaded = await PeftModel.fromPretrained(fresh, options.out, { tuners: [tuner] });
same('reloaded', await sample(loaded));
if (loaded.adapter().merge) same('merged', await sample(loaded.mergeAndUnload()));
else console.log(`merged   ${config.peft_type} adapters cannot be merged`);

function same(what, text) {
  console.log(`${what.padEnd(8)} ${text === tuned ? 'gives the same text' : `gives other text: ${text}`}`);
  if (text !== tuned) process.exitCode = 1;
}

function readArguments(config) {
  try {
    return parseArgs(config);
  } catch (error) {
    return stop(error.message);
  }
}

function stop(message) {
  console.error(`${message}\n--help says what there is`);
  process.exit(2);
}
