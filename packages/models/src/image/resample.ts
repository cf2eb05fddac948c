import { channelsOf, type Image, type SegmentationMap } from './Image';

/** A filter's value at a distance from the centre, and the distance from which on it is 0. */
interface Filter {
  readonly support: number;
  at(x: number): number;
}

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
/** Keys' kernel with a = −0.5. */
const cubic = (x: number) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : (((x - 5) * x + 8) * x - 4) * -0.5);
const within = (support: number, at: (x: number) => number): Filter => ({
  support,
  at: (x) => (Math.abs(x) < support ? at(Math.abs(x)) : 0),
});

/** By the numbers that `resample` has in files; they are Pillow's. 0 is the nearest pixel. */
const FILTERS: Readonly<Record<number, Filter>> = {
  1: within(3, (x) => sinc(x) * sinc(x / 3)),
  2: within(1, (x) => 1 - x),
  3: within(2, cubic),
  4: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  5: within(1, (x) => sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x))),
};

export const RESAMPLE = [0, ...Object.keys(FILTERS).map(Number)];

/** Bits of a weight behind the point: a sum of weighted bytes has room in 32 bits. */
const PRECISION = 22;

/**
 * A picture in another size, to the bit as Pillow gives it: first the rows, then the columns, each in whole numbers.
 * @param resample a number of Pillow's @default 2, bilinear
 */
export function resample(image: Image, width: number, height: number, resample = 2): Image {
  const channels = channelsOf(image);
  const filter = FILTERS[resample];
  if (!filter) return nearest(image, width, height, channels) as Image;
  let { data } = image;
  if (width !== image.width) data = along(data, image.height, image.width, channels, width, filter);
  // Columns are rows of as many channels as a whole row has samples.
  if (height !== image.height) data = along(data, 1, image.height, width * channels, height, filter);
  return { width, height, data };
}

/** A map of classes in another size: each pixel has the class of the one that lies there. */
export const resampleMap = (map: SegmentationMap, width: number, height: number): SegmentationMap => nearest(map, width, height, 1);

/** Lines of `from` pixels become lines of `to`. @param data [lines, from, channels] */
function along(data: Image['data'], lines: number, from: number, channels: number, to: number, filter: Filter): Uint8ClampedArray {
  const result = new Uint8ClampedArray(lines * to * channels);
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support + 0.5), from);
    const raw = Array.from({ length: end - start }, (_, k) => filter.at((start + k - centre + 0.5) * (1 / stretch)));
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    // Halves are rounded away from zero.
    const weights = raw.map((weight) => Math.trunc((weight / (total || 1)) * 2 ** PRECISION + (weight < 0 ? -0.5 : 0.5)));
    for (let line = 0; line < lines; line++)
      for (let c = 0; c < channels; c++) {
        let sum = 1 << (PRECISION - 1);
        let at = (line * from + start) * channels + c;
        for (let k = 0; k < weights.length; k++, at += channels) sum += (data[at] as number) * (weights[k] as number);
        result[(line * to + i) * channels + c] = sum >> PRECISION;
      }
  }
  return result;
}

function nearest(image: SegmentationMap, width: number, height: number, channels: number): SegmentationMap {
  const columns = places(image.width, width).map((x) => x * channels);
  const rows = places(image.height, height).map((y) => y * image.width * channels);
  const data = new (image.data.constructor as new (length: number) => SegmentationMap['data'])(width * height * channels);
  let at = 0;
  for (const row of rows)
    for (const column of columns) for (let c = 0; c < channels; c++) data[at++] = image.data[row + column + c] as number;
  return { width, height, data };
}

/** Which of `from` pixels lies under each of `to`; the steps are added up as Pillow does it, since halves may fall to either side. */
function places(from: number, to: number): Int32Array {
  const step = from / to;
  let at = step * 0.5;
  return Int32Array.from({ length: to }, () => {
    const place = Math.min(Math.floor(at), from - 1);
    at += step;
    return place;
  });
}
