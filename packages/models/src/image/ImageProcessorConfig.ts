/** What `preprocessor_config.json` says of images, with every default filled in. */
export interface ImageProcessorConfig {
  readonly image_processor_type: 'ViTImageProcessor' | 'SegformerImageProcessor';
  readonly do_resize: boolean;
  readonly size: { readonly height: number; readonly width: number };
  /** Pillow's number of a filter: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic, 4 box, 5 Hamming. */
  readonly resample: number;
  readonly do_rescale: boolean;
  readonly rescale_factor: number;
  readonly do_normalize: boolean;
  /** One for all channels or one each. */
  readonly image_mean: number | readonly number[];
  readonly image_std: number | readonly number[];
  /** Of processors that take maps: whether their classes begin at 1. Then 0 becomes 255, which does not count, and the others are one less. */
  readonly do_reduce_labels?: boolean;
}

type Type = ImageProcessorConfig['image_processor_type'];

const common = { do_resize: true, resample: 2, do_rescale: true, rescale_factor: 1 / 255, do_normalize: true };
const defaults: Readonly<Record<Type, Omit<ImageProcessorConfig, 'image_processor_type'>>> = {
  ViTImageProcessor: { ...common, size: { height: 224, width: 224 }, image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] },
  SegformerImageProcessor: {
    ...common,
    size: { height: 512, width: 512 },
    image_mean: [0.485, 0.456, 0.406],
    image_std: [0.229, 0.224, 0.225],
    do_reduce_labels: false,
  },
};

/** Names of earlier versions and of other implementations of the same. */
const typeOf = (name: unknown) => String(name).replace(/(FeatureExtractor|ImageProcessor)(Fast|Pil)?$/, 'ImageProcessor') as Type;

/**
 * A config as processors read it: defaults filled in, spellings of all versions brought together, values checked.
 * @param raw the file, fields that are null or undefined being left out
 * @param modelType names the processor where the file does not
 * Errors: a processor that is not there; every field that cannot be, at once.
 */
export function imageProcessorConfig(raw: Readonly<Record<string, unknown>>, modelType?: unknown): ImageProcessorConfig {
  const byModel = { vit: 'ViTImageProcessor', segformer: 'SegformerImageProcessor' }[String(modelType)];
  const name = raw.image_processor_type ?? raw.feature_extractor_type ?? byModel;
  const type = typeOf(name);
  if (!Object.hasOwn(defaults, type))
    throw new Error(`there is no image processor ${JSON.stringify(name ?? null)} here; there are ${Object.keys(defaults).join(', ')}`);
  const given = { ...raw, do_reduce_labels: raw.do_reduce_labels ?? raw.reduce_labels, size: sizeOf(raw.size) };
  const own = defaults[type];
  const fields = Object.fromEntries(
    Object.entries(own).map(([field, fallback]) => [field, (given as Readonly<Record<string, unknown>>)[field] ?? fallback]),
  ) as unknown as typeof own;
  check(fields);
  return { image_processor_type: type, ...fields };
}

/** One number in old files stands for both sides. */
const sizeOf = (size: unknown): unknown => {
  if (typeof size === 'number') return { height: size, width: size };
  return Array.isArray(size) && size.length === 2 ? { height: size[0], width: size[1] } : size;
};

function check(config: Omit<ImageProcessorConfig, 'image_processor_type'>): void {
  const { size, resample, rescale_factor, image_mean, image_std } = config;
  const isSide = (side: unknown) => Number.isInteger(side) && (side as number) > 0 && (side as number) <= 1 << 15;
  const isNumber = (value: unknown) => typeof value === 'number' && Number.isFinite(value);
  const isEach = (values: unknown, fits: (value: unknown) => boolean) =>
    fits(values) || (Array.isArray(values) && (values.length === 1 || values.length === 3) && values.every(fits));
  const wrong: string[] = [];
  const must = (field: keyof typeof config, fits: boolean, be: string) => {
    if (!fits) wrong.push(`${field} must be ${be}, not ${JSON.stringify(config[field])}`);
  };
  for (const [field, value] of Object.entries(config))
    if (field.startsWith('do_')) must(field as keyof typeof config, typeof value === 'boolean', 'true or false');
  must('size', isSide(size?.height) && isSide(size?.width), 'a height and a width');
  must('resample', [0, 1, 2, 3, 4, 5].includes(resample), 'a number from 0 to 5');
  must('rescale_factor', isNumber(rescale_factor), 'a number');
  must('image_mean', isEach(image_mean, isNumber), 'a number, or one a channel');
  must(
    'image_std',
    isEach(image_std, (value) => isNumber(value) && value !== 0),
    'a number other than 0, or one a channel',
  );
  if (Array.isArray(image_mean) && Array.isArray(image_std) && image_mean.length !== image_std.length)
    wrong.push(`image_mean is for ${image_mean.length} channels, image_std for ${image_std.length}`);
  if (wrong.length > 0) throw new Error(`this image processor cannot be made: ${wrong.join('; ')}`);
}
