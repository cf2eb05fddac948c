/** A picture of 8 bits a sample, channels last: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. The browser's `ImageData` is one. */
export interface Image {
  readonly width: number;
  readonly height: number;
  /** [height, width, channels], 0–255. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** A class for each pixel of a picture. */
export interface SegmentationMap {
  readonly width: number;
  readonly height: number;
  /** [height, width] */
  readonly data: Uint8Array | Uint8ClampedArray | Uint16Array | Int32Array;
}

/** How many samples a pixel has. Errors: sizes that do not go with the data. */
export function channelsOf({ width, height, data }: Image | SegmentationMap): number {
  const channels = data.length / (width * height);
  if (![width, height].every((n) => Number.isInteger(n) && n > 0) || ![1, 2, 3, 4].includes(channels))
    throw new Error(`an image of ${width}×${height} cannot have ${data.length} samples: it has 1 to 4 a pixel`);
  return channels;
}

/** The same picture in colour (3 channels) or grey (1), without alpha, as Pillow converts it. */
export function withChannels(image: Image, wanted: 1 | 3): Image {
  const channels = channelsOf(image);
  if (channels === wanted) return image;
  const { width, height, data } = image;
  const count = width * height;
  const result = new Uint8Array(count * wanted);
  const at = (pixel: number, channel: number) => data[pixel * channels + channel] as number;
  for (let i = 0; i < count; i++)
    if (wanted === 3) for (let c = 0; c < 3; c++) result[i * 3 + c] = at(i, channels < 3 ? 0 : c);
    else result[i] = channels < 3 ? at(i, 0) : (at(i, 0) * 19595 + at(i, 1) * 38470 + at(i, 2) * 7471 + 0x8000) >> 16;
  return { width, height, data: result };
}
