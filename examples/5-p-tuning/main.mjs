// A RoBERTa learns by p-tuning whether two sentences tell the same.
// After PEFT's guide: https://huggingface.co/docs/peft/v0.6.0/task_guides/ptuning-seq-classification
import { stat } from 'node:fs/promises';
import { getPeftModel, manualSeed, PeftModel } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { AutoModelForSequenceClassification, AutoTokenizer } from '@peft/models';
import { promptEncoderConfig, pTuning } from '@peft/p-tuning';
import { accuracy, adamW, argMax, dataCollatorWithPadding, dataLoader, f1, linearSchedule, progress, Trainer } from '@peft/train';
import { loadDataset } from '@peft/train/data';
import * as tf from '@tensorflow/tfjs-core';
import { expect, percent, readOptions, shareOfCommonest } from '../common.mjs';
import { pairs } from '../pretrain/pairs.mjs';

const options = readOptions(
  `node examples/5-p-tuning/main.mjs [options]
  --trainer          train by the Trainer, not by a loop of one's own
  --guide <folder>   the guide's own model, roberta-large, and its data, MRPC: msr_paraphrase_train.txt and …_test.txt
  --model <id>       another model
  --rows <n>         so many pairs at most
  --epochs <n>       [4; the guide's 20]
  --batch <n>        pairs a step  [16; the guide's 32]
  --lr <rate>        [0.01; the guide's 0.001]`,
  {
    model: 'models/pairs-roberta-0.3m',
    guideModel: 'FacebookAI/roberta-large',
    guideSettings: { epochs: 20, batch: 32, lr: 1e-3 },
    rows: Number.POSITIVE_INFINITY,
    epochs: 4,
    batch: 16,
    lr: 1e-2,
  },
);

await useEngine({ purpose: 'training' });
manualSeed(0);
const tokenizer = await AutoTokenizer.fromPretrained(options.model);
const [train, test] = await (options.guide ? mrpc(options.guide) : [pairs(480, 7), pairs(120, 8)]);
const num_virtual_tokens = 20;
const max_length = tokenizer.model_max_length - num_virtual_tokens;
function encode({ sentence1, sentence2, label }) {
  const { input_ids } = tokenizer([sentence1], { text_pair: [sentence2], truncation: true, max_length });
  return { input_ids: input_ids[0], label };
}
const collate = (rows) => dataCollatorWithPadding(tokenizer)(rows.map(encode));
const evalLoader = dataLoader(test, { batch_size: 32, collate });

const base = await AutoModelForSequenceClassification.fromPretrained(options.model, { num_labels: 2 });
const model = getPeftModel(base, promptEncoderConfig({ task_type: 'SEQ_CLS', num_virtual_tokens, encoder_hidden_size: 128 }));
model.printTrainableParameters();

/** The scores of both classes for each pair of a batch. */
const scores = (model, { labels, ...inputs }) => tf.tidy(() => tf.softmax(model.forward(inputs).logits).arraySync());
const real = test.map(({ label }) => label);
/** Accuracy, and the F1 of pairs that tell the same. */
function measure(what, model) {
  const found = [...evalLoader].flatMap((batch) => argMax(scores(model, batch)));
  const result = { accuracy: accuracy(found, real), f1: f1(found, real) };
  console.log(`${what.padEnd(8)} accuracy ${percent(result.accuracy)}   F1 ${percent(result.f1)}`);
  return result;
}
const sentences = {
  sentence1: 'Coast redwood trees are the tallest trees on the planet and can grow over 300 feet tall.',
  sentence2: 'The coast redwood trees, which can attain a height of over 300 feet, are the tallest trees on earth.',
};
const commonest = shareOfCommonest(real);
console.log(`always the commonest class: accuracy ${percent(commonest)}`);
measure('before', model);
await (options.trainer ? trainByTrainer : trainByHand)();
const trained = scores(model, collate([sentences]));

await model.savePretrained('out/p-tuning');
const { size } = await stat('out/p-tuning/adapter_model.safetensors');
const fresh = await AutoModelForSequenceClassification.fromPretrained(options.model, { num_labels: 2 });
const loaded = await PeftModel.fromPretrained(fresh, 'out/p-tuning', { tuners: [pTuning] });
const after = measure('loaded', loaded);
console.log(`         from a file of ${(size / 1000).toFixed(1)} kB`);
const [[different, same]] = scores(loaded, collate([sentences]));
console.log(Object.values(sentences).join('\n'));
console.log(`not equivalent: ${percent(different)}\nequivalent: ${percent(same)}`);
expect('classes are right more often than the commonest one is', after.accuracy > commonest + 0.05);
expect('loaded, it says the same', Math.abs(trained[0][1] - same) < 1e-5);
expect("the guide's sentences are equivalent", same > 0.5);

async function trainByHand() {
  const loader = dataLoader(train, { batch_size: options.batch, shuffle: true, seed: 0, collate });
  const optimizer = adamW(model, { lr: options.lr });
  const totalSteps = loader.length * options.epochs;
  const scheduler = linearSchedule(optimizer, { warmupSteps: Math.ceil(0.06 * totalSteps), totalSteps });
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    model.train();
    for await (const { batch, update } of progress(loader, { label: `epoch ${epoch}` })) {
      const loss = optimizer.backward(() => model.forward(batch).loss);
      optimizer.clipGradNorm(1); // as the Trainer does
      optimizer.step();
      scheduler.step();
      optimizer.zeroGrad();
      update({ loss });
    }
    model.eval();
    measure(`epoch ${epoch}`, model);
  }
}

async function trainByTrainer() {
  const args = {
    num_train_epochs: options.epochs,
    learning_rate: options.lr,
    per_device_train_batch_size: options.batch,
    per_device_eval_batch_size: 32,
    warmup_ratio: 0.06,
    weight_decay: 0.01,
    eval_strategy: 'epoch',
    seed: 0,
  };
  const compute_metrics = ({ predictions, label_ids }) => {
    const found = argMax(predictions);
    return { accuracy: accuracy(found, label_ids), f1: f1(found, label_ids) };
  };
  const onEvaluate = ({ state, metrics: { eval_loss, eval_accuracy, eval_f1 } }) =>
    console.log(`epoch ${state.epoch}  loss ${eval_loss.toFixed(4)}   accuracy ${percent(eval_accuracy)}   F1 ${percent(eval_f1)}`);
  const data = { train_dataset: train, eval_dataset: test, data_collator: collate };
  await new Trainer({ model, args, ...data, compute_metrics, callbacks: [{ onEvaluate }] }).train();
}

/** The guide's data: pairs to train on, and to test. */
async function mrpc(folder) {
  const column_names = ['label', 'id1', 'id2', 'sentence1', 'sentence2'];
  const format = { format: 'tsv', quotechar: null, column_names, number_columns: ['label'], onDamaged: 'skip' };
  const files = await Promise.all(['train', 'test'].map((split) => loadDataset(folder, { ...format, split })));
  return files.map((pairs) => pairs.slice(0, options.rows));
}
