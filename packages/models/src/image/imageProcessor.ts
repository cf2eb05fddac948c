import { openSink, type SinkLocation, writePythonJson } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { channelsOf, type Image, type SegmentationMap, withChannels } from './Image';
import { type ImageProcessorConfig, imageProcessorConfig } from './ImageProcessorConfig';
import { resample, resampleMap } from './resample';
import { segmentationMaps } from './segmentationMaps';

/** The input of a model of images. Its tensors are the caller's to dispose; `Trainer` frees those of its batches. */
export interface ImageFeatures {
  pixel_values: tf.Tensor4D; // [B, C, height, width]
  labels?: tf.Tensor3D; // [B, height, width] int32
}

/** Overrides of what the file says, and maps. */
export interface ProcessOptions extends Partial<Omit<ImageProcessorConfig, 'image_processor_type'>> {
  /** For each image the classes of its pixels; they become `labels`. */
  segmentation_maps?: SegmentationMap | readonly SegmentationMap[];
}

/** Makes pictures into what a model reads, as Hugging Face's processor of the same files does. */
export interface ImageProcessor {
  /** Errors: images that end in different sizes; maps for a processor that takes none. */
  (images: Image | readonly Image[], options?: ProcessOptions): ImageFeatures;
  readonly config: ImageProcessorConfig;
  /**
   * The likeliest class of each pixel.
   * @param logits [B, L, height, width]
   * @param targetSizes of each image height and width, to which its logits are blown up before. @default the logits' own
   */
  postProcessSemanticSegmentation(
    output: { readonly logits?: tf.Tensor },
    targetSizes?: readonly (readonly [height: number, width: number])[],
  ): Promise<SegmentationMap[]>;
  /** Writes `preprocessor_config.json`. */
  savePretrained(where: SinkLocation): Promise<void>;
}

/** A processor from the contents of its file. @param modelType names the processor where the file does not */
export function imageProcessor(raw: Readonly<Record<string, unknown>>, modelType?: unknown): ImageProcessor {
  const config = imageProcessorConfig(raw, modelType);
  const process = (images: Image | readonly Image[], { segmentation_maps, ...overrides }: ProcessOptions = {}): ImageFeatures => {
    const settings = imageProcessorConfig({ ...config, ...given(overrides) });
    const maps = segmentation_maps && listOf(segmentation_maps);
    const list = listOf(images);
    if (list.length === 0) throw new Error('there are no images to process');
    if (maps && config.image_processor_type !== 'SegformerImageProcessor')
      throw new Error(`${config.image_processor_type} takes no segmentation_maps`);
    if (maps && maps.length !== list.length) throw new Error(`there are ${maps.length} segmentation_maps for ${list.length} images`);
    const pixels = list.map((image) => pixelsOf(image, settings));
    const { channels, height, width } = same(pixels);
    const labels = maps?.map((map) => labelsOf(map, settings));
    if (labels) same(labels);
    return {
      pixel_values: tf.tensor4d(joined(pixels, Float32Array), [list.length, channels, height, width], 'float32'),
      ...(labels?.[0] && {
        labels: tf.tensor3d(joined(labels, Int32Array), [list.length, labels[0].height, labels[0].width], 'int32'),
      }),
    };
  };
  return Object.assign(process, {
    config,
    postProcessSemanticSegmentation: segmentationMaps,
    async savePretrained(where: SinkLocation) {
      // Fields that processors here do not read are kept.
      const { reduce_labels: _, feature_extractor_type: __, ...rest } = raw;
      await (await openSink(where)).write('preprocessor_config.json', writePythonJson({ ...rest, ...config }));
    },
  });
}

const listOf = <T extends object>(one: T | readonly T[]): readonly T[] => (Array.isArray(one) ? one : [one as T]);

const given = (overrides: object) => Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined));

interface Planes {
  channels: number;
  height: number;
  width: number;
  values: ArrayLike<number>;
}

/** What all have in common. */
function same(all: readonly Planes[]): Planes {
  const [first] = all as [Planes];
  const size = ({ channels, height, width }: Planes) => `${channels}×${height}×${width}`;
  const other = all.find((one) => size(one) !== size(first));
  if (other) throw new Error(`images of different sizes, ${size(first)} and ${size(other)}, make no batch: set do_resize`);
  return first;
}

function joined<Values extends Float32Array | Int32Array>(all: readonly Planes[], Type: new (length: number) => Values): Values {
  const result = new Type(all.reduce((sum, { values }) => sum + values.length, 0));
  let at = 0;
  for (const { values } of all) {
    result.set(values, at);
    at += values.length;
  }
  return result;
}

/** Resized, rescaled, normalised; one channel after the other. */
function pixelsOf(image: Image, config: ImageProcessorConfig): Planes {
  const { image_mean: mean, image_std: std, do_normalize, do_rescale, rescale_factor } = config;
  const wanted = do_normalize ? [mean, std].map((list) => (typeof list === 'object' ? list.length : undefined)) : [];
  const count = wanted.find((length) => length !== undefined) ?? (channelsOf(image) < 3 ? 1 : 3);
  const sized = withChannels(image, count as 1 | 3);
  const { height, width, data } = config.do_resize ? resample(sized, config.size.width, config.size.height, config.resample) : sized;
  const plane = height * width;
  const values = new Float32Array(plane * count);
  for (let c = 0; c < count; c++) {
    const [shift, divisor] = [mean, std].map((list) => Math.fround(typeof list === 'number' ? list : (list[c] as number))) as [
      number,
      number,
    ];
    // A sample has one of 256 values; each step rounds to float32, as NumPy does.
    const table = Float32Array.from({ length: 256 }, (_, byte) => {
      const scaled = Math.fround(do_rescale ? byte * rescale_factor : byte);
      return do_normalize ? Math.fround(scaled - shift) / divisor : scaled;
    });
    for (let i = 0, at = c; i < plane; i++, at += count) values[c * plane + i] = table[data[at] as number] as number;
  }
  return { channels: count, height, width, values };
}

function labelsOf(map: SegmentationMap, { do_reduce_labels, do_resize, size }: ImageProcessorConfig): Planes {
  if (channelsOf(map) !== 1) throw new Error('a segmentation map has one number a pixel: read it with readSegmentationMap');
  const { height, width, data } = do_resize ? resampleMap(map, size.width, size.height) : map;
  const reduced = (label: number) => (label === 0 || label === 255 ? 255 : label - 1);
  return { channels: 1, height, width, values: do_reduce_labels ? Int32Array.from(data, reduced) : data };
}
