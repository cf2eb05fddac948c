// A T5 learns by prefix tuning to tell how financial news sound to an investor, and to say it in a word.
// After PEFT's guide: https://huggingface.co/docs/peft/v0.6.0/task_guides/seq2seq-prefix-tuning
import { stat } from 'node:fs/promises';
import { getPeftModel, manualSeed, PeftModel } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { AutoModelForSeq2SeqLM, AutoTokenizer } from '@peft/models';
import { prefixTuning, prefixTuningConfig } from '@peft/prefix';
import { accuracy, adamW, dataCollatorForSeq2Seq, dataLoader, linearSchedule, progress, Trainer } from '@peft/train';
import { loadDataset, trainTestSplit } from '@peft/train/data';
import { epochLosses, expect, percent, readOptions, shareOfCommonest } from '../common.mjs';
import { sentences } from '../pretrain/sentences.mjs';

const options = readOptions(
  `node examples/2-prefix-tuning/main.mjs [options]
  --trainer          train by the Trainer, not by a loop of one's own
  --guide <folder>   the guide's own model, t5-large, and its data, the financial phrasebank: Sentences_AllAgree.txt
  --model <id>       another model
  --rows <n>         so many sentences at most
  --epochs <n>       [4; the guide's 5]`,
  {
    model: 'models/phrases-t5-0.3m',
    guideModel: 'google-t5/t5-large',
    guideSettings: { epochs: 5 },
    rows: Number.POSITIVE_INFINITY,
    epochs: 4,
  },
);

await useEngine({ purpose: 'training' });
manualSeed(0);
const tokenizer = await AutoTokenizer.fromPretrained(options.model);
const data = options.guide ? await phrasebank(options.guide) : sentences(1200, 7);
const encode = ({ sentence, text_label }) => ({
  input_ids: tokenizer([sentence], { truncation: true, max_length: 128 }).input_ids[0],
  labels: tokenizer.encode(text_label),
});
const { train, test } = trainTestSplit(data.slice(0, options.rows), { test_size: 0.15, seed: 42 });
const collate = (rows) => dataCollatorForSeq2Seq(tokenizer)(rows.map(encode));
const evalLoader = dataLoader(test, { batch_size: 16, collate });

const base = await AutoModelForSeq2SeqLM.fromPretrained(options.model);
const model = getPeftModel(base, prefixTuningConfig({ task_type: 'SEQ_2_SEQ_LM', num_virtual_tokens: 20 }));
model.printTrainableParameters();

/** The words that a model answers to sentences. */
async function answers(model, loader) {
  const words = [];
  for (const { input_ids, attention_mask } of loader)
    words.push(...(await model.generate({ input_ids, attention_mask, max_new_tokens: 4 })));
  return words.map((ids) => tokenizer.decode(ids, { skip_special_tokens: true }).trim());
}
const real = test.map(({ text_label }) => text_label);
const commonest = shareOfCommonest(real);
const measure = async (model) => accuracy(await answers(model, evalLoader), real);

const before = await measure(base);
console.log(`before   accuracy ${percent(before)}, by always saying the commonest word ${percent(commonest)}`);
const { losses, report, callback } = epochLosses(model, evalLoader);
await (options.trainer ? trainByTrainer : trainByHand)();
console.log(`after    accuracy ${percent(await measure(model))}`);

await model.savePretrained('out/prefix-tuning');
const { size } = await stat('out/prefix-tuning/adapter_model.safetensors');
const fresh = await AutoModelForSeq2SeqLM.fromPretrained(options.model);
const loaded = await PeftModel.fromPretrained(fresh, 'out/prefix-tuning', { tuners: [prefixTuning] });
const after = await measure(loaded);
console.log(`loaded   accuracy ${percent(after)}, from a file of ${(size / 1000).toFixed(1)} kB`);
const sentence =
  "The Lithuanian beer market made up 14.41 million liters in January , a rise of 0.8 percent from the year-earlier figure , the Lithuanian Brewers ' Association reporting citing the results from its members .";
const [answer] = await answers(loaded, [{ input_ids: [tokenizer.encode(sentence)] }]);
console.log(`         ${sentence}\n         ${answer}`);
expect('the loss falls', losses.at(-1) < losses[0]);
expect('words are right more often than before, and than the commonest one', after > Math.max(before, commonest) + 0.1);
expect("the guide's sentence sounds positive", answer === 'positive');

async function trainByHand() {
  const loader = dataLoader(train, { batch_size: 16, shuffle: true, seed: 0, collate });
  const optimizer = adamW(model, { lr: 1e-2 });
  const scheduler = linearSchedule(optimizer, { totalSteps: loader.length * options.epochs });
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    let total = 0;
    model.train();
    for await (const { batch, update } of progress(loader, { label: `epoch ${epoch}` })) {
      const loss = optimizer.backward(() => model.forward(batch).loss);
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
  const args = { num_train_epochs: options.epochs, learning_rate: 1e-2, per_device_train_batch_size: 16, weight_decay: 0.01, seed: 0 };
  await new Trainer({ model, args, train_dataset: train, data_collator: collate, callbacks: [callback] }).train();
}

/** The guide's data: lines of a sentence, @ and a word, in latin-1, one of them damaged. */
function phrasebank(folder) {
  const column_names = ['sentence', 'text_label'];
  const options = { format: 'csv', encoding: 'latin1', delimiter: '@', quotechar: null, column_names, onDamaged: 'skip' };
  return loadDataset(folder, { ...options, files: 'Sentences_AllAgree.txt' });
}
