// A SegFormer that tells seven kinds of things in streets by day learns to tell eleven at night with LoRA: its queries and values get
// adapters, their biases and its head are trained along.
// After PEFT's guide: https://huggingface.co/docs/peft/main/en/task_guides/semantic_segmentation_lora
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getPeftModel, manualSeed, PeftModel } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { lora, loraConfig } from '@peft/lora';
import { AutoImageProcessor, AutoModelForSemanticSegmentation } from '@peft/models';
import { readImage, readSegmentationMap } from '@peft/models/images';
import { adamW, dataLoader, linearSchedule, meanIoU, progress, Trainer } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { expect, readOptions } from '../common.mjs';
import { classes, scenes } from '../pretrain/scenes.mjs';
import { laid, mosaic } from './pictures.mjs';

const options = readOptions(
  `node examples/4-semantic-segmentation/main.mjs [options]
  --trainer          train by the Trainer, not by a loop of one's own
  --guide <folder>   the guide's own model, nvidia/mit-b0, on CamVid: frames in train and val, PNG maps of its classes in trainannot and valannot
  --model <id>       another model
  --epochs <n>       [3; the guide's 50]
  --batch <n>        pictures a step  [2; the guide's 4]
  --lr <rate>        [0.01; the guide's 0.0005]`,
  { model: 'models/streets-segformer-0.3m', guideModel: 'nvidia/mit-b0', epochs: 3, batch: 2, lr: 0.01 },
);

await useEngine({ purpose: 'training' });
manualSeed(0);
const [train, test] = options.guide ? await Promise.all(['train', 'val'].map(frames)) : [scenes(80, 2), scenes(24, 3)];
const processor = await AutoImageProcessor.fromPretrained(options.model);
const collate = (examples) =>
  processor(
    examples.map(({ image }) => image),
    { segmentation_maps: examples.map(({ segmentation_map }) => segmentation_map), do_reduce_labels: false },
  );

const id2label = Object.fromEntries(classes.entries());
const label2id = Object.fromEntries(classes.map((name, i) => [name, i]));
const baseModel = () =>
  AutoModelForSemanticSegmentation.fromPretrained(options.model, { id2label, label2id, ignore_mismatched_sizes: true });
const base = await baseModel();

const real = test.map(({ segmentation_map }) => segmentation_map.data);
const score = (maps) => meanIoU(maps, real, { num_labels: classes.length });

/** The classes that a model gives the pixels of the held-out pictures, and how right they are. */
async function evaluate(model) {
  const maps = [];
  for (const examples of dataLoader(test, { batch_size: options.batch, collate: (examples) => examples })) {
    const images = examples.map(({ image }) => image);
    const logits = tf.tidy(() => model.forward(processor(images)).logits);
    maps.push(
      ...(await processor.postProcessSemanticSegmentation(
        { logits },
        images.map(({ height, width }) => [height, width]),
      )),
    );
    logits.dispose();
  }
  return { maps, ...score(maps.map(({ data }) => data)) };
}
const report = (when, { mean_iou, overall_accuracy }) =>
  console.log(`${when.padEnd(13)} mean IoU ${mean_iou.toFixed(3)}, ${(100 * overall_accuracy).toFixed(1)} % of the pixels right`);
// What a model is worth that takes all pixels for the commonest class.
const always = classes.map((_, i) => score(real.map((map) => new Uint8Array(map.length).fill(i))));
const commonest = always.reduce((best, { overall_accuracy }, i) => (overall_accuracy > always[best].overall_accuracy ? i : best), 0);
report(`always ${classes[commonest]}`, always[commonest]);
const before = await evaluate(base);
report('before', before);

const config = loraConfig({
  r: 32,
  lora_alpha: 32,
  target_modules: ['query', 'value'],
  lora_dropout: 0.1,
  bias: 'lora_only',
  modules_to_save: ['decode_head'],
});
const model = getPeftModel(base, config);
model.printTrainableParameters();
await (options.trainer ? trainByTrainer : trainByHand)();

const after = await evaluate(model);
report('after', after);
const known = classes.map((name, i) => [name, after.per_category_iou[i]]).filter(([, iou]) => !Number.isNaN(iou));
console.log(known.map(([name, iou]) => `${name} ${iou.toFixed(2)}`).join(', '));
expect(
  'after is far better than before and than the commonest class',
  after.mean_iou > 2 * Math.max(before.mean_iou, always[commonest].mean_iou),
);

const out = 'out/semantic-segmentation';
await model.savePretrained(out);
const loaded = await PeftModel.fromPretrained(await baseModel(), out, { tuners: [lora] });
const again = await evaluate(loaded);
expect('loaded on a fresh base, the adapter says the same', again.mean_iou === after.mean_iou);

// The held-out picture with the most classes: as it is, and under the maps from before, from after, and the right one.
const variety = real.map((map) => new Set(map).size);
const shown = variety.indexOf(Math.max(...variety));
const { image, segmentation_map } = test[shown];
const maps = [before.maps[shown], again.maps[shown], segmentation_map];
await writeFile(`${out}/maps.png`, mosaic([image, ...maps.map((map) => laid(image, map))]));
console.log(`${out}/maps.png shows a held-out picture, and laid over it the maps from before, from after, and the right one`);

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
  const { epochs: num_train_epochs, batch: per_device_train_batch_size, lr: learning_rate } = options;
  const onEpochEnd = async ({ state }) => {
    model.eval();
    report(`epoch ${state.epoch}`, await evaluate(model));
    model.train();
  };
  await new Trainer({
    model,
    args: { num_train_epochs, per_device_train_batch_size, learning_rate, seed: 0 },
    train_dataset: train,
    data_collator: collate,
    callbacks: [{ onEpochEnd }],
  }).train();
}

/** The pictures of a folder with the maps of another, whose names are the same. */
async function frames(split) {
  const [pictures, maps] = [join(options.guide, split), join(options.guide, `${split}annot`)];
  const names = (await readdir(pictures)).filter((name) => name.endsWith('.png')).sort();
  const read = async (name) => ({
    image: await readImage(join(pictures, name)),
    segmentation_map: await readSegmentationMap(join(maps, name)),
  });
  return Promise.all(names.map(read));
}
