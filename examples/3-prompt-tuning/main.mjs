// A BLOOM learns by prompt tuning to tell complaints from other tweets: what is trained are eight tokens before the tweet, which
// begin as a question in words. After PEFT's guide: https://huggingface.co/docs/peft/v0.6.0/task_guides/clm-prompt-tuning
import { stat } from 'node:fs/promises';
import { getPeftModel, manualSeed, PeftModel } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { AutoModelForCausalLM, AutoTokenizer } from '@peft/models';
import { promptTuning, promptTuningConfig } from '@peft/prompt-tuning';
import {
  accuracy,
  adamW,
  dataCollatorForLanguageModeling,
  dataCollatorWithPadding,
  dataLoader,
  linearSchedule,
  progress,
  Trainer,
} from '@peft/train';
import { loadDataset, trainTestSplit } from '@peft/train/data';
import { epochLosses, expect, percent, readOptions, shareOfCommonest } from '../common.mjs';
import { tweets as madeUp } from '../pretrain/tweets.mjs';

const options = readOptions(
  `node examples/3-prompt-tuning/main.mjs [options]
  --trainer          train by the Trainer, not by a loop of one's own
  --guide <folder>   the guide's own model, bigscience/bloomz-560m, and its data, RAFT's twitter complaints: twitter_complaints_train.csv
  --model <id>       another model
  --epochs <n>       [12; the guide's 50]`,
  { model: 'models/tweets-bloom-0.3m', guideModel: 'bigscience/bloomz-560m', guideSettings: { epochs: 50 }, epochs: 12 },
);

await useEngine({ purpose: 'training' });
manualSeed(0);
const tokenizer = await AutoTokenizer.fromPretrained(options.model);
const data = options.guide ? await loadDataset(options.guide, { files: '*_train.csv' }) : madeUp(200, 7);
const { train, test } = trainTestSplit(data, { test_size: 0.3, seed: 42 });

const prompt = (tweet) => tokenizer.encode(`Tweet text : ${tweet} Label :`).slice(-64);
const answer = ({ Label }) => [...tokenizer.encode(` ${Label}`, { add_special_tokens: false }), tokenizer.eos_token_id];
/** Only the label is to be learnt. */
function encode(record) {
  const [question, label] = [prompt(record['Tweet text']), answer(record)];
  return { input_ids: [...question, ...label], labels: [...question.map(() => -100), ...label] };
}
const collate = (records) => dataCollatorForLanguageModeling(tokenizer)(records.map(encode));
const evalLoader = dataLoader(test, { batch_size: 8, collate });

const base = await AutoModelForCausalLM.fromPretrained(options.model);
const config = promptTuningConfig({
  task_type: 'CAUSAL_LM',
  prompt_tuning_init: 'TEXT',
  num_virtual_tokens: 8,
  prompt_tuning_init_text: 'Classify if the tweet is a complaint or not:',
  tokenizer_name_or_path: options.model,
});
const model = getPeftModel(base, config, { tokenizer });
model.printTrainableParameters();

/** What a model says to tweets. */
async function labels(model, tweets) {
  const told = [];
  const collatePrompts = dataCollatorWithPadding(tokenizer);
  for (const batch of dataLoader(tweets, {
    batch_size: 16,
    collate: (some) => collatePrompts(some.map((one) => ({ input_ids: prompt(one) }))),
  })) {
    const ids = await model.generate({ ...batch, max_new_tokens: 10, eos_token_id: tokenizer.eos_token_id });
    told.push(...ids.map((row) => tokenizer.decode(row.slice(batch.input_ids[0].length), { skip_special_tokens: true }).trim()));
  }
  return told;
}
const real = test.map(({ Label }) => Label);
const tweets = test.map((record) => record['Tweet text']);
const measure = async (model) => accuracy(await labels(model, tweets), real);
const tweet = '@nationalgridus I have no water and the bill is current and paid. Can you do something about this?';
const commonest = shareOfCommonest(real);

const before = await measure(base);
console.log(`before   accuracy ${percent(before)}, by always saying the commonest label ${percent(commonest)}`);
console.log(`         ${tweet}\n         ${(await labels(base, [tweet]))[0]}`);
const { losses, report, callback } = epochLosses(model, evalLoader);
await (options.trainer ? trainByTrainer : trainByHand)();

await model.savePretrained('out/prompt-tuning');
const { size } = await stat('out/prompt-tuning/adapter_model.safetensors');
const fresh = await AutoModelForCausalLM.fromPretrained(options.model);
const loaded = await PeftModel.fromPretrained(fresh, 'out/prompt-tuning', { tuners: [promptTuning] });
const after = await measure(loaded);
const [told] = await labels(loaded, [tweet]);
console.log(`loaded   accuracy ${percent(after)}, from a file of ${(size / 1000).toFixed(1)} kB`);
console.log(`         ${tweet}\n         ${told}`);
expect('the loss falls', losses.at(-1) < losses[0]);
expect('labels are right more often than before, and than the commonest one', after > Math.max(before, commonest) + 0.1);
expect("the guide's tweet is a complaint", told === 'complaint');

async function trainByHand() {
  const loader = dataLoader(train, { batch_size: 8, shuffle: true, seed: 0, collate });
  const optimizer = adamW(model, { lr: 3e-2 });
  const scheduler = linearSchedule(optimizer, { totalSteps: loader.length * options.epochs });
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    let total = 0;
    model.train();
    for await (const { batch, update } of progress(loader, { label: `epoch ${epoch}` })) {
      const loss = optimizer.backward(() => model.forward(batch).loss);
      optimizer.clipGradNorm(1); // as the Trainer does
      optimizer.step();
      scheduler.step();
      optimizer.zeroGrad();
      total += loss;
      update({ loss });
    }
    model.eval();
    await report(total / loader.length);
  }
}

async function trainByTrainer() {
  const args = { num_train_epochs: options.epochs, learning_rate: 3e-2, per_device_train_batch_size: 8, weight_decay: 0.01, seed: 0 };
  await new Trainer({ model, args, train_dataset: train, data_collator: collate, callbacks: [callback] }).train();
}
