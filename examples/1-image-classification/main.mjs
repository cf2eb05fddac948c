// A ViT that tells clothes learns to tell digits with LoRA: its queries and values get adapters, its classifier is trained along.
// After PEFT's guide: https://huggingface.co/docs/peft/main/en/task_guides/image_classification_lora
import { getPeftModel, manualSeed, PeftModel } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { lora, loraConfig } from '@peft/lora';
import { AutoImageProcessor, AutoModelForImageClassification } from '@peft/models';
import { readImage } from '@peft/models/images';
import { accuracy, adamW, argMax, dataLoader, linearSchedule, progress, Trainer } from '@peft/train';
import { imageFolder, loadDataset, trainTestSplit } from '@peft/train/data';
import * as tf from '@tensorflow/tfjs-core';
import { expect, percent, readOptions } from '../common.mjs';

const options = readOptions(
  `node examples/1-image-classification/main.mjs [options]
  --trainer          train by the Trainer, not by a loop of one's own
  --guide <folder>   the guide's own model, google/vit-base-patch16-224-in21k, on pictures whose folder is their class, such as Food-101's
  --model <id>       another model
  --image <file>     a picture to classify in the end  [data/images/seven.png; the guide's first held-out one]
  --epochs <n>       [5]
  --batch <n>        pictures a step  [16; the guide's 128]
  --lr <rate>        [0.01; the guide's 0.005]`,
  { model: 'models/fashion-vit', guideModel: 'google/vit-base-patch16-224-in21k', image: undefined, epochs: 5, batch: 16, lr: 0.01 },
);

await useEngine({ purpose: 'training' });
manualSeed(0);
const data = options.guide ? await imageFolder(options.guide) : await loadDataset('data/digits/digits.parquet');
const labels = data.labels ?? [...'0123456789'];
const held = options.guide ? Math.min(500, Math.ceil(data.length / 10)) : 250;
const chosen = trainTestSplit([...Array(data.length).keys()], { test_size: held });
const processor = await AutoImageProcessor.fromPretrained(options.model);
/** Pictures that are read when they are asked for. */
const pictures = (indices) => ({
  length: indices.length,
  async get(i) {
    const { image, label } = await (data.get?.(indices[i]) ?? data[indices[i]]);
    return { image: await readImage(image), label };
  },
});
// The guide takes 5,000 pictures of Food-101's.
const [train, test] = [pictures(chosen.train.slice(0, 4500)), pictures(chosen.test)];
const collate = (examples) => ({ ...processor(examples.map(({ image }) => image)), labels: examples.map(({ label }) => label) });

const id2label = Object.fromEntries(labels.entries());
const label2id = Object.fromEntries(labels.map((label, i) => [label, i]));
const baseModel = () =>
  AutoModelForImageClassification.fromPretrained(options.model, { id2label, label2id, ignore_mismatched_sizes: true });
const base = await baseModel();

/** What a model takes the held-out pictures for, and what share of it is right. */
async function evaluate(model) {
  const [predicted, real] = [[], []];
  for await (const batch of dataLoader(test, { batch_size: options.batch, collate })) {
    const logits = tf.tidy(() => model.forward(batch).logits);
    predicted.push(...argMax(await logits.array()));
    real.push(...batch.labels);
    tf.dispose([batch, logits]);
  }
  return { predicted, real, accuracy: accuracy(predicted, real) };
}
const report = (when, { accuracy }) => console.log(`${when.padEnd(9)}accuracy ${percent(accuracy)}`);
const before = await evaluate(base);
report('before', before);

const config = loraConfig({
  r: 16,
  lora_alpha: 16,
  target_modules: ['query', 'value'],
  lora_dropout: 0.1,
  bias: 'none',
  modules_to_save: ['classifier'],
});
const model = getPeftModel(base, config);
model.printTrainableParameters();
await (options.trainer ? trainByTrainer : trainByHand)();

const after = await evaluate(model);
report('after', after);
const commonest = Math.max(...labels.map((_, i) => after.real.filter((label) => label === i).length)) / test.length;
expect(
  `after is better than before and than the commonest class, ${percent(commonest)}`,
  after.accuracy > before.accuracy && after.accuracy > commonest,
);

await model.savePretrained('out/image-classification');
const loaded = await PeftModel.fromPretrained(await baseModel(), 'out/image-classification', { tuners: [lora] });
expect('loaded on a fresh base, the adapter says the same', (await evaluate(loaded)).predicted.join() === after.predicted.join());

const file = options.image ?? (options.guide ? undefined : 'data/images/seven.png');
const picture = file ? await readImage(file) : (await test.get(0)).image;
const scores = tf.tidy(() => tf.softmax(loaded.forward(processor(picture)).logits).dataSync());
const best = [...scores.keys()].sort((a, b) => scores[b] - scores[a]).slice(0, 3);
console.log(`${file ?? 'a picture'} shows ${best.map((i) => `${labels[i]} (${percent(scores[i])})`).join(', ')}`);
if (!options.guide && !options.image) expect('the picture of a seven is taken for one', best[0] === 7);

async function trainByHand() {
  const loader = dataLoader(train, { batch_size: options.batch, shuffle: true, seed: 0, collate });
  const optimizer = adamW(model, { lr: options.lr });
  const scheduler = linearSchedule(optimizer, { totalSteps: options.epochs * loader.length });
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    model.train();
    for await (const { batch, update } of progress(loader, { label: `epoch ${epoch}` })) {
      const loss = optimizer.backward(() => model.forward(batch).loss);
      optimizer.step();
      scheduler.step();
      optimizer.zeroGrad();
      tf.dispose(batch);
      update({ loss });
    }
    model.eval();
    report(`epoch ${epoch}`, await evaluate(model));
  }
}

async function trainByTrainer() {
  const { epochs: num_train_epochs, batch, lr: learning_rate } = options;
  await new Trainer({
    model,
    args: {
      num_train_epochs,
      per_device_train_batch_size: batch,
      per_device_eval_batch_size: batch,
      learning_rate,
      eval_strategy: 'epoch',
      seed: 0,
    },
    train_dataset: train,
    eval_dataset: test,
    data_collator: collate,
    compute_metrics: ({ predictions, label_ids }) => ({ accuracy: accuracy(argMax(predictions), label_ids) }),
    callbacks: [{ onEvaluate: ({ state, metrics }) => report(`epoch ${state.epoch}`, { accuracy: metrics.eval_accuracy }) }],
  }).train();
}
