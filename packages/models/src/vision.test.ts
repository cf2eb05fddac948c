import {
  disposeModule,
  folder,
  initialize,
  manualSeed,
  memorySink,
  namedParameters,
  parameters,
  parseSafetensors,
  readSafetensors,
  setTraining,
  setWarningHandler,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkGradients } from '../../testing/src/gradcheck';
import { useTestedEngine } from '../../testing/src/useTestedEngine';
import type { AutoClass } from './auto';
import * as autos from './auto';
import { AutoModel, AutoModelForImageClassification, AutoModelForSemanticSegmentation } from './auto';
import { normalizeConfig } from './config';
import { fixturePath, readFixture } from './fixtures/fixtures';
import type { LoadModelOptions } from './load';
import type { ImageBatch, VisionModel } from './shared/VisionModel';

interface Expected {
  outputs: {
    model: string;
    head: string;
    what: string;
    shape: [number, number, number, number];
    batch: ImageBatch & { training?: true };
    problem_type: LoadModelOptions['problem_type'] | null;
    expected: Record<string, number[]>;
    buffers?: Record<string, number[]>;
  }[];
  defaults: Record<string, { config: Record<string, unknown>; parameters: number }>;
}

const { outputs, defaults } = await readFixture<Expected>('vision/expected.json');
const load = (name: string, options: LoadModelOptions = {}) => {
  const head = name.slice(name.lastIndexOf('-') + 1);
  const auto = (autos as unknown as Record<string, AutoClass<VisionModel>>)[head === 'Body' ? 'AutoModel' : `AutoModelFor${head}`];
  return (auto as AutoClass<VisionModel>).fromPretrained(fixturePath(`vision/${name}`), options);
};

/** What `make.py` computes, too. */
const pixels = (shape: [number, number, number, number]): tf.Tensor4D =>
  tf.tensor4d(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => Math.sin(0.37 * i) + Math.cos(0.011 * i * i)),
    shape,
  );

/** The largest distance of two tensors' values, relative to the largest expected. */
function distance(actual: tf.Tensor | undefined, expected: ArrayLike<number>): number {
  const values = actual?.dataSync() ?? [];
  expect(values).toHaveLength(expected.length);
  const largest = Math.max(...Array.from(expected, Math.abs)) || 1;
  return Math.max(...Array.from(expected, (value, i) => Math.abs(value - (values[i] as number)))) / largest;
}

let warnings: string[];
let previous: ReturnType<typeof setWarningHandler>;
beforeAll(useTestedEngine);
beforeEach(() => {
  warnings = [];
  previous = setWarningHandler((message) => void warnings.push(message));
  manualSeed(7);
});
afterEach(() => void setWarningHandler(previous));

describe('computes what Python computes', () => {
  it.each(outputs.map((one) => [`${one.model}: ${one.what}`, one] as const))(
    '%s',
    async (_, { model: name, shape, batch: { training = false, ...batch }, problem_type, expected, buffers = {} }) => {
      const before = tf.memory().numTensors;
      const model = await load(name, problem_type ? { problem_type } : {});
      expect(warnings).toEqual([]);
      setTraining(model, training);
      const output = tf.tidy(() => model.forward({ ...batch, pixel_values: pixels(shape) }) as Record<string, tf.Tensor>);
      for (const [part, values] of Object.entries(expected)) expect(distance(output[part], values), part).toBeLessThan(2e-5);
      const named = Object.fromEntries(namedParameters(model));
      for (const [part, values] of Object.entries(buffers)) expect(distance(named[part]?.value, values), part).toBeLessThan(1e-5);
      tf.dispose(output);
      disposeModule(model);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  it('on real images', async () => {
    const file = await readSafetensors(folder(fixturePath('vision')), 'fashion.safetensors');
    const [images, labels, logits] = await Promise.all(['images', 'labels', 'logits'].map((name) => file.get(name)?.data()));
    const model = await AutoModelForImageClassification.fromPretrained(fixturePath('../../../../models/fashion-vit'));
    const [ours, right] = tf.tidy(() => {
      const pixel_values = tf.tensor4d(
        Float32Array.from(images ?? [], (value) => value / 127.5 - 1),
        [64, 1, 28, 28],
      );
      const output = model.forward({ pixel_values }).logits as tf.Tensor2D;
      expect(distance(output, logits as Float32Array)).toBeLessThan(2e-5);
      return [output.shape, Array.from(tf.argMax(output, 1).dataSync()).filter((label, i) => label === labels?.[i]).length];
    });
    expect(ours).toEqual([64, 10]);
    expect(right).toBe(55);
    disposeModule(model);
  });
});

describe.each(Object.entries(defaults))('a config of %s that says nothing', (model_type, { config, parameters: count }) => {
  it('means what it means in Python', () => {
    const ours = normalizeConfig({ model_type });
    const said = Object.entries(config).filter(([field]) => field in ours);
    expect(Object.fromEntries(said.map(([field]) => [field, ours[field]]))).toEqual(Object.fromEntries(said));
  });

  it('has as many parameters', async () => {
    const auto = model_type === 'segformer' ? AutoModelForSemanticSegmentation : AutoModelForImageClassification;
    const weights = parameters(await auto.fromConfig({ model_type })).filter(({ role }) => role === 'weight');
    expect(weights.reduce((total, { size }) => total + size, 0)).toBe(count);
  });
});

/** Classes of 2 images' pixels, some of them ignored. */
const mask = [0, 1].map((b) =>
  Array.from({ length: 9 }, (_, y) => Array.from({ length: 11 }, (_, x) => ((x + 2 * y + b) % 4 === 3 ? 255 : (x * y + b) % 2))),
);

describe('gradients are those of finite differences', () => {
  it.each([
    ['vit-ImageClassification', [2, 3, 12, 12], {}, /cls_token|projection\.bias|layer\.1\.attention\.attention\.query\.bias/],
    ['vit-ImageClassification', [1, 3, 8, 16], { interpolate_pos_encoding: true }, /position_embeddings|vit\.layernorm\.bias/],
    ['vit-oblong-ImageClassification', [2, 1, 8, 13], {}, /layer\.0\.layernorm_before\.bias|layer\.0\.intermediate\.dense\.bias/],
    [
      'segformer-ImageClassification',
      [2, 3, 24, 24],
      {},
      /block\.0\.0\.attention\.self\.sr\.bias|block\.1\.1\.mlp\.dense1\.bias|layer_norm\.2\.bias/,
    ],
    [
      'segformer-SemanticSegmentation',
      [2, 3, 24, 24],
      { labels: mask },
      /block\.2\.0\.mlp\.dwconv\.dwconv\.bias|linear_c\.1\.proj\.bias|decode_head\.batch_norm\.(weight|bias)/,
    ],
    [
      'segformer-SemanticSegmentation',
      [2, 3, 24, 24],
      { labels: mask, training: true },
      /linear_c\.0\.proj\.bias|decode_head\.(batch_norm\.weight|classifier\.bias)/,
    ],
    [
      'segformer-yes-or-no-SemanticSegmentation',
      [2, 3, 24, 24],
      { labels: mask },
      /patch_embeddings\.1\.proj\.bias|decode_head\.classifier\.bias/,
    ],
  ] as const)('%s of %j', async (name, shape, { training = false, ...flags }: object & { training?: boolean }, chosen) => {
    const model = await load(name);
    for (const parameter of parameters(model)) parameter.trainable = false;
    const some = [...namedParameters(model)].filter(([key]) => chosen.test(key)).map(([, parameter]) => parameter);
    expect(some.length).toBeGreaterThanOrEqual(2);
    for (const parameter of some) parameter.trainable = true;
    const pixel_values = pixels([...shape]);
    const labels = [2, 0].slice(0, shape[0]);
    setTraining(model, training);
    const loss = () => model.forward({ pixel_values, labels, ...flags }).loss as tf.Tensor;
    tf.tidy(loss);
    const held = tf.memory().numTensors;
    checkGradients(loss, some, { epsilon: 0.01, tolerance: 1e-2 });
    expect(tf.memory().numTensors).toBe(held);
    pixel_values.dispose();
    disposeModule(model);
  });
});

describe('a head', () => {
  it('that the checkpoint lacks is initialised and reported; a body without one takes its weights from a model with one', async () => {
    const classifier = await AutoModelForImageClassification.fromPretrained(fixturePath('vision/vit-Body'), { num_labels: 5 });
    expect(warnings.join('\n')).toMatch(/hold nothing for classifier\.weight, classifier\.bias: initialised anew/);
    expect(classifier.classifier).toMatchObject({ outFeatures: 5 });
    const body = await AutoModel.fromPretrained(fixturePath('vision/vit-ImageClassification'));
    expect(warnings.join('\n')).toMatch(/hold nothing for pooler\.dense\.weight/);
    const trained = await load('vit-ImageClassification');
    expect([...namedParameters(body)].find(([name]) => name === 'embeddings.cls_token')?.[1].value.dataSync()).toEqual(
      [...namedParameters(trained)].find(([name]) => name === 'vit.embeddings.cls_token')?.[1].value.dataSync(),
    );
    for (const model of [classifier, body, trained]) disposeModule(model);
  });
});

it('a SegFormer is saved with its statistics, and read again', async () => {
  const model = await load('segformer-SemanticSegmentation');
  const sink = memorySink();
  await model.savePretrained(sink);
  const file = await parseSafetensors(sink.files['model.safetensors'] as Uint8Array);
  const original = await readSafetensors(folder(fixturePath('vision/segformer-SemanticSegmentation')), 'model.safetensors');
  expect([...file.keys()].sort()).toEqual([...original.keys()].sort());
  for (const [name, { dtype, shape, bytes }] of original) {
    expect([name, file.get(name)?.dtype, file.get(name)?.shape]).toEqual([name, dtype, shape]);
    expect(await file.get(name)?.bytes()).toEqual(await bytes());
  }
  disposeModule(model);
});

it('pixels that all are ignored have no loss', async () => {
  const model = await load('segformer-SemanticSegmentation');
  const labels = [[[255, 255]]];
  expect(tf.tidy(() => model.forward({ pixel_values: pixels([1, 3, 24, 24]), labels }).loss?.dataSync()[0])).toBeNaN();
  disposeModule(model);
  const single = await load('segformer-yes-or-no-SemanticSegmentation');
  expect(tf.tidy(() => single.forward({ pixel_values: pixels([1, 3, 24, 24]), labels }).loss?.dataSync()[0])).toBe(0);
  disposeModule(single);
});

it('stochastic depth lets whole images go past a layer in training, and makes up for it', async () => {
  const config = {
    model_type: 'segformer',
    num_encoder_blocks: 1,
    depths: [2],
    hidden_sizes: [4],
    num_attention_heads: [1],
    sr_ratios: [1],
    mlp_ratios: [1],
  };
  const model = await AutoModel.fromConfig({ ...config, drop_path_rate: 0.5, initializer_range: 0.5 });
  initialize(model);
  const run = () =>
    tf.tidy(
      () => model.forward({ pixel_values: tf.tile(pixels([1, 3, 4, 4]), [64, 1, 1, 1]) }).last_hidden_state?.arraySync() as number[][],
    );
  const still = run();
  expect(new Set(still.map(String)).size).toBe(1);
  setTraining(model, true);
  // The last layer's halves are passed by or doubled: four outcomes at most, none of them the undropped one.
  const outcomes = run().map(String);
  expect(new Set(outcomes).size).toBe(4);
  expect(outcomes).not.toContain(String(still[0]));
  disposeModule(model);
});

describe('errors say what does not fit', () => {
  it.each([
    [{}, 'give pixel_values [B, C, height, width]'],
    [
      {
        pixel_values: [
          [
            [
              [0, 1],
              [1, 0],
            ],
          ],
        ],
      },
      'pixel_values is [1,1,2,2], and this model takes [B, 3, height, width]',
    ],
    [
      { pixel_values: [[0, 1, 2].map(() => Array.from({ length: 12 }, () => new Array<number>(16).fill(0)))] },
      "images are 12×16, and this model's are 12×12: resize them, or set interpolate_pos_encoding",
    ],
    [{ input_ids: [[1]] } as ImageBatch, 'this model reads images'],
  ])('%#', async (batch, message) => {
    const model = await load('vit-Body');
    expect(() => tf.tidy(() => model.forward(batch) as Record<string, tf.Tensor>)).toThrow(message);
    disposeModule(model);
  });

  it('of labels', async () => {
    const model = await load('segformer-SemanticSegmentation');
    const forward = (labels: ImageBatch['labels']) =>
      tf.tidy(() => model.forward({ pixel_values: pixels([2, 3, 24, 24]), labels }) as Record<string, tf.Tensor>);
    expect(() => forward([1, 2])).toThrow('labels is [2] for 2 images: give a class for each pixel, [2, height, width]');
    expect(() => forward([[[1]]])).toThrow('labels is [1,1,1] for 2 images');
    expect(() => forward([[[1, 2]], [[1]]])).toThrow('of different sizes: they must be alike in a batch');
    expect(() => forward([[[1]], [[3]]])).toThrow('label 3 of row 1 is outside 0 … 2');
    disposeModule(model);
  });

  it('of a config', async () => {
    const config = { model_type: 'vit', image_size: 12, patch_size: 16, num_attention_heads: 12 };
    expect(() => normalizeConfig(config)).toThrow('patch_size [16,16] is larger than image_size [12,12]');
    expect(() => normalizeConfig({ model_type: 'vit', image_size: [224, 0] })).toThrow('image_size must be a whole number from 1');
    expect(() => normalizeConfig({ model_type: 'segformer', depths: [1, 0.5], strides: 4, mlp_ratios: [1, 2, 3, 0] })).toThrow(
      /depths must be a list of whole numbers above 0, not \[1,0.5\]; strides must .*; mlp_ratios must be a list of numbers above 0/,
    );
    expect(() => normalizeConfig({ model_type: 'segformer', num_encoder_blocks: 5 })).toThrow(
      'num_encoder_blocks is 5, and depths, sr_ratios',
    );
    expect(() => normalizeConfig({ model_type: 'segformer', hidden_sizes: [32, 63, 160, 256] })).toThrow(
      'hidden_sizes 63 is no multiple of 2 heads',
    );
    expect(() => normalizeConfig({ model_type: 'vit', hidden_size: 10, num_attention_heads: 4 })).toThrow('no multiple of 4 heads');
    const oblong = await AutoModel.fromConfig({
      model_type: 'vit',
      hidden_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      image_size: [8, 16],
      patch_size: 4,
    });
    initialize(oblong);
    const batch = { pixel_values: pixels([1, 3, 8, 8]), interpolate_pos_encoding: true };
    expect(() => oblong.forward(batch)).toThrow('positions of a 2×4 grid cannot be stretched: only square ones can');
    disposeModule(oblong);
  });
});
