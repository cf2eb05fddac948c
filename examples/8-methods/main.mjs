// AdaLoRA, (IA)³ and LLaMA-Adapter beside LoRA on one language model, for one text: what each costs and what it brings.
// After PEFT's guides: https://huggingface.co/docs/peft/main/en/package_reference/adalora, …/ia3, …/llama_adapter
import { readFile, stat } from 'node:fs/promises';
import { getPeftModel, manualSeed, PeftModel } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { AutoModelForCausalLM, AutoTokenizer } from '@peft/models';
import { adamW, dataCollatorForLanguageModeling, dataLoader, linearSchedule, progress, Trainer, textBlocks } from '@peft/train';
import { expect, meanLoss, readOptions, repeat } from '../common.mjs';
import { methodOf } from '../methods.mjs';

const options = readOptions(
  `node examples/8-methods/main.mjs [options]
  --trainer          train by the Trainer, not by a loop of one's own
  --guide <file>     a larger model, meta-llama/Llama-2-7b-hf, on a text of your own
  --model <id>       another model
  --methods <names>  [lora,adalora,ia3,llama-adapter]; there are also prefix, prompt-tuning, p-tuning
  --steps <n>        [40]`,
  { model: 'models/sotu-0.9m', guideModel: 'meta-llama/Llama-2-7b-hf', methods: 'lora,adalora,ia3,llama-adapter', steps: 40, length: 64 },
);

await useEngine({ purpose: 'training' });
const tokenizer = await AutoTokenizer.fromPretrained(options.model);
const blocksOf = async (file) => textBlocks(tokenizer.encode(await readFile(file, 'utf8'), { add_special_tokens: false }), options.length);
const all = await blocksOf(options.guide ?? 'data/moby-dick/train.txt');
const held = options.guide ? all.splice(Math.floor(all.length * 0.9)) : await blocksOf('data/moby-dick/eval.txt');
const collate = dataCollatorForLanguageModeling(tokenizer);
const evalLoader = dataLoader(held.slice(0, 64), { batch_size: 8, collate });

const base = await AutoModelForCausalLM.fromPretrained(options.model);
const start = await meanLoss(base, evalLoader);
console.log(`${'method'.padEnd(14)} trainable    loss      file     time`);
console.log(`${'(none)'.padEnd(14)} ${'0'.padStart(9)}  ${start.toFixed(4)}`);
for (const name of options.methods.split(',')) {
  const { tuner, config, lr } = await methodOf(name, options.steps);
  manualSeed(0);
  const model = getPeftModel(base, config, { tokenizer });
  const begun = performance.now();
  await (options.trainer ? trainByTrainer : trainByHand)(model, lr);
  const seconds = (performance.now() - begun) / 1000;
  const loss = await meanLoss(model, evalLoader);
  const folder = `out/methods/${name}`;
  await model.savePretrained(folder);
  const { size } = await stat(`${folder}/adapter_model.safetensors`);
  const [trainable] = model.getNbTrainableParameters();
  console.log(
    `${name.padEnd(14)} ${String(trainable).padStart(9)}  ${loss.toFixed(4)}  ${`${(size / 1000).toFixed(1)} kB`.padStart(9)}  ${seconds.toFixed(1).padStart(5)} s`,
  );
  model.unload();
  const loaded = await PeftModel.fromPretrained(base, folder, { tuners: [tuner] });
  const again = await meanLoss(loaded, evalLoader);
  loaded.unload();
  expect(`${name} is better than nothing, and as good when it is loaded`, loss < start && Math.abs(again - loss) < 1e-4);
}
expect('the base is what it was', (await meanLoss(base, evalLoader)) === start);

async function trainByHand(model, lr) {
  const loader = dataLoader(all, { batch_size: 8, shuffle: true, seed: 0, collate, dropLast: true });
  const optimizer = adamW(model, { lr });
  const scheduler = linearSchedule(optimizer, { warmupSteps: 5, totalSteps: options.steps });
  let step = 0;
  model.train();
  for await (const { batch, update } of progress(repeat(loader, options.steps), { total: options.steps })) {
    const loss = optimizer.backward(() => model.forward(batch).loss);
    optimizer.step();
    model.afterOptimizerStep(++step, optimizer.gradients); // AdaLoRA moves its ranks
    scheduler.step();
    optimizer.zeroGrad();
    update({ loss });
  }
  model.eval();
}

async function trainByTrainer(model, learning_rate) {
  const { steps: max_steps } = options;
  const args = { max_steps, learning_rate, per_device_train_batch_size: 8, warmup_steps: 5, weight_decay: 0.01, seed: 0 };
  await new Trainer({ model, args, train_dataset: all, data_collator: collate }).train();
}
