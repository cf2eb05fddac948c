import '@tensorflow/tfjs-backend-wasm';
import { fileURLToPath } from 'node:url';
import { folder, memorySink, readSafetensors } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixturePath, readFixture } from '../fixtures/fixtures';
import { AutoImageProcessor } from './AutoImageProcessor';
import { type Image, withChannels } from './Image';
import { imageProcessor } from './imageProcessor';
import { resample, resampleMap } from './resample';

type Mode = 'L' | 'LA' | 'RGB' | 'RGBA';
interface Pillow {
  resized: { mode: Mode; to: [number, number]; filter: number; expected: string }[];
  nearest: { of: number; to: number; expected: string }[];
  converted: { of: Mode; to: 'L' | 'RGB'; expected: string }[];
}
const pillow = await readFixture<Pillow>('vision/pillow.json');
const reference = (name: string) => fileURLToPath(new URL(`../../../../fixtures/reference/processors/${name}`, import.meta.url));
const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'base64'));

/** What `pillow.py` makes, too. */
function picture(mode: Mode, width: number, height: number): Image {
  const count = width * height * mode.length;
  return { width, height, data: Uint8Array.from({ length: count }, (_, i) => (i * i * 7 + i * 29 + (i % 5) * 40) % 256) };
}

beforeAll(() => tf.setBackend('wasm'));

describe('pictures become what Pillow makes of them, to the bit', () => {
  it.each(pillow.resized)('$mode in size $to with filter $filter', ({ mode, to: [width, height], filter, expected }) => {
    const { data, ...size } = resample(picture(mode, 13, 7), width, height, filter);
    expect(size).toEqual({ width, height });
    expect(Uint8Array.from(data)).toEqual(bytes(expected));
  });

  it.each(pillow.nearest)('the nearest of $of for $to', ({ of, to, expected }) => {
    expect(resampleMap(picture('L', of, 1), to, 1).data).toEqual(bytes(expected));
    expect(resampleMap({ ...picture('L', 1, of) }, 1, to).data).toEqual(bytes(expected));
  });

  it.each(pillow.converted)('$of to $to', ({ of, to, expected }) => {
    expect(withChannels(picture(of, 6, 5), to === 'L' ? 1 : 3).data).toEqual(bytes(expected));
  });

  it('a map keeps classes beyond 255', () => {
    const { data } = resampleMap({ width: 2, height: 1, data: Int32Array.of(1000, -3) }, 4, 2);
    expect(data).toEqual(Int32Array.of(1000, 1000, -3, -3, 1000, 1000, -3, -3));
  });
});

describe('processors', () => {
  it.each(['vit', 'segformer'])('give what transformers gives: %s', async (name) => {
    const file = await readSafetensors(folder(reference(name)), 'expected.safetensors');
    const read = async (key: string) => {
      const { shape: [height = 0, width = 0] = [] } = file.get(key) ?? {};
      return { height, width, data: Uint8Array.from((await file.get(key)?.data()) ?? []) };
    };
    const processor = await AutoImageProcessor.fromPretrained(reference(name));
    const before = tf.memory().numTensors;
    const options = file.has('mask') ? { segmentation_maps: await read('mask') } : {};
    const { pixel_values, labels } = processor(await read('pixels'), options);
    expect(pixel_values.shape).toEqual(file.get('pixel_values')?.shape);
    expect(pixel_values.dataSync()).toEqual(await file.get('pixel_values')?.data());
    expect(labels?.shape).toEqual(file.get('labels')?.shape);
    expect(labels?.dtype).toBe(labels && 'int32');
    expect(labels?.dataSync()).toEqual(await file.get('labels')?.data());
    tf.dispose([pixel_values, ...(labels ? [labels] : [])]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('read the model that comes with the project', async () => {
    const processor = await AutoImageProcessor.fromPretrained(fixturePath('../../../../models/fashion-vit'));
    const image = picture('RGBA', 28, 28);
    const { pixel_values } = processor([image, picture('L', 9, 5)]);
    expect(pixel_values.shape).toEqual([2, 1, 28, 28]);
    const grey = withChannels(image, 1).data[30] as number;
    expect(pixel_values.dataSync()[30]).toBeCloseTo(grey / 127.5 - 1, 6);
    pixel_values.dispose();
  });

  it('leave out what is not asked for; what the caller says goes before the file', () => {
    const image: Image = { width: 2, height: 1, data: Uint8Array.of(0, 51, 255, 10, 20, 30) };
    const values = (options: object) => {
      const { pixel_values } = imageProcessor({ image_processor_type: 'ViTImageProcessorFast', do_resize: false })(image, options);
      const result = [pixel_values.shape.join(), Array.from(pixel_values.dataSync(), (value) => Number(value.toFixed(5)))];
      pixel_values.dispose();
      return result;
    };
    expect(values({})).toEqual(['1,3,1,2', [-1, -0.92157, -0.6, -0.84314, 1, -0.76471]]);
    expect(values({ do_normalize: false })).toEqual(['1,3,1,2', [0, 0.03922, 0.2, 0.07843, 1, 0.11765]]);
    expect(values({ do_normalize: false, do_rescale: false })).toEqual(['1,3,1,2', [0, 10, 51, 20, 255, 30]]);
    expect(values({ do_rescale: false, image_mean: [1, 2, 3], image_std: 10 })).toEqual(['1,3,1,2', [-0.1, 0.9, 4.9, 1.8, 25.2, 2.7]]);
    expect(values({ do_resize: true, size: { height: 1, width: 1 }, resample: 0, do_rescale: false, do_normalize: false })[1]).toEqual([
      10, 20, 30,
    ]);
    expect(values({ rescale_factor: undefined, do_normalize: false })[1]).toContain(0.2);
  });

  it('make labels of maps', () => {
    const image: Image = { width: 3, height: 1, data: new Uint8Array(9) };
    const map = { width: 3, height: 1, data: Uint8Array.of(0, 1, 255) };
    const processor = imageProcessor({ feature_extractor_type: 'SegformerFeatureExtractor', reduce_labels: true, do_resize: false });
    const labels = (options: object) => {
      const { pixel_values, labels: made } = processor(image, { segmentation_maps: map, ...options });
      const result = [made?.shape.join(), ...(made?.dataSync() ?? [])];
      tf.dispose([pixel_values, made as tf.Tensor]);
      return result;
    };
    expect(labels({})).toEqual(['1,1,3', 255, 0, 255]);
    expect(labels({ do_reduce_labels: false })).toEqual(['1,1,3', 0, 1, 255]);
    expect(labels({ do_resize: true, size: { height: 2, width: 1 } })).toEqual(['1,2,1', 0, 0]);
  });

  it('are known by names of all versions, and by the model', async () => {
    const type = async (file: object, config?: object) => {
      const files = { 'preprocessor_config.json': JSON.stringify(file), ...(config && { 'config.json': JSON.stringify(config) }) };
      return (await AutoImageProcessor.fromPretrained(files)).config;
    };
    expect(await type({ image_processor_type: 'ViTImageProcessorFast' })).toMatchObject({
      image_processor_type: 'ViTImageProcessor',
      size: { height: 224, width: 224 },
    });
    expect(await type({ feature_extractor_type: 'ViTFeatureExtractor', size: 28 })).toMatchObject({
      size: { height: 28, width: 28 },
      resample: 2,
    });
    expect(await type({ size: [20, 30] }, { model_type: 'segformer' })).toMatchObject({
      image_processor_type: 'SegformerImageProcessor',
      size: { height: 20, width: 30 },
      image_mean: [0.485, 0.456, 0.406],
      do_reduce_labels: false,
    });
    await expect(type({ image_processor_type: 'CLIPImageProcessor' })).rejects.toThrow(
      'there is no image processor "CLIPImageProcessor" here; there are ViTImageProcessor, SegformerImageProcessor',
    );
    await expect(type({})).rejects.toThrow('there is no image processor null here');
    const whole = { image_processor: { image_processor_type: 'ViTImageProcessor', size: { height: 8, width: 9 } } };
    const { config } = await AutoImageProcessor.fromPretrained({ 'processor_config.json': JSON.stringify(whole) });
    expect(config.size).toEqual({ height: 8, width: 9 });
    await expect(AutoImageProcessor.fromPretrained({ 'config.json': '{}' })).rejects.toThrow('has no preprocessor_config.json');
  });

  it('are saved as they were read', async () => {
    const sink = memorySink();
    const raw = { image_processor_type: 'SegformerImageProcessorFast', reduce_labels: true, size: 64, crop_size: null };
    await imageProcessor(raw).savePretrained(sink);
    const file = JSON.parse(new TextDecoder().decode(sink.files['preprocessor_config.json']));
    expect(file).toMatchObject({
      image_processor_type: 'SegformerImageProcessor',
      do_reduce_labels: true,
      size: { height: 64, width: 64 },
      crop_size: null,
    });
    expect(imageProcessor(file).config).toEqual(imageProcessor(raw).config);
  });

  it('say what cannot be', () => {
    const vit = imageProcessor({ image_processor_type: 'ViTImageProcessor', do_resize: false });
    const image = picture('RGB', 4, 3);
    expect(() => vit([])).toThrow('there are no images');
    expect(() => vit([image, picture('RGB', 3, 3)])).toThrow('images of different sizes, 3×3×4 and 3×3×3, make no batch: set do_resize');
    expect(() => vit(image, { segmentation_maps: picture('L', 4, 3) })).toThrow('ViTImageProcessor takes no segmentation_maps');
    expect(() => vit({ width: 4, height: 3, data: new Uint8Array(13) })).toThrow('an image of 4×3 cannot have 13 samples');
    expect(() => vit({ width: 0, height: 3, data: new Uint8Array(0) })).toThrow('an image of 0×3 cannot have 0 samples');
    const segformer = imageProcessor({ image_processor_type: 'SegformerImageProcessor' });
    expect(() => segformer(image, { segmentation_maps: [] })).toThrow('there are 0 segmentation_maps for 1 images');
    expect(() => segformer(image, { segmentation_maps: image })).toThrow('a segmentation map has one number a pixel');
    const bad = {
      image_processor_type: 'ViTImageProcessor',
      size: { shortest_edge: 224 },
      do_resize: 'yes',
      resample: 7,
      image_mean: [1, 2],
      image_std: 0,
    };
    expect(() => imageProcessor(bad)).toThrow(
      /do_resize must be true or false, not "yes"; size must be a height and a width, not {"shortest_edge":224}; resample .*; image_mean .*; image_std must be a number other than 0/,
    );
    expect(() => imageProcessor({ image_processor_type: 'ViTImageProcessor', image_mean: [0.5] })).toThrow(
      'image_mean is for 1 channels, image_std for 3',
    );
  });
});

describe('segmentations', () => {
  const processor = imageProcessor({ image_processor_type: 'SegformerImageProcessor' });

  it('have the likeliest class at each pixel, blown up to the wanted sizes', async () => {
    const logits = tf.tensor4d([1, 0, 0, 0, 0, 3, 0, 0.5, 0, 0, 2, 0, 1, 1, 1, 0, 0, 0, 0, 4, 0, 0, 0, 0], [2, 3, 2, 2]);
    const before = tf.memory().numTensors;
    const maps = await processor.postProcessSemanticSegmentation({ logits });
    expect(maps).toEqual([
      { width: 2, height: 2, data: Int32Array.of(0, 1, 2, 1) },
      { width: 2, height: 2, data: Int32Array.of(0, 0, 0, 1) },
    ]);
    const [wide, tall] = await processor.postProcessSemanticSegmentation({ logits }, [
      [2, 4],
      [3, 1],
    ]);
    // torch.nn.functional.interpolate(…, mode="bilinear", align_corners=False), then argmax
    expect(wide).toEqual({ width: 4, height: 2, data: Int32Array.of(0, 0, 1, 1, 2, 2, 2, 1) });
    expect(tall).toEqual({ width: 1, height: 3, data: Int32Array.of(0, 1, 1) });
    expect(tf.memory().numTensors).toBe(before);
    logits.dispose();
  });

  it('say what cannot be', async () => {
    await expect(processor.postProcessSemanticSegmentation({})).rejects.toThrow('a segmentation has logits [B, L, height, width], not []');
    const logits = tf.zeros([1, 2, 3, 3]);
    await expect(processor.postProcessSemanticSegmentation({ logits }, [])).rejects.toThrow('there are 0 target sizes for 1 images');
    logits.dispose();
  });
});
