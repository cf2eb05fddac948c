import type { DecodedPng } from 'fast-png';
import type { Image, SegmentationMap } from '../Image';
import { checkSize } from './signatures';

/** A PNG as a picture; what has a palette or transparency becomes colour or grey without it. */
export async function decodePng(bytes: Uint8Array): Promise<Image> {
  const { width, height, channels, depth, palette, data } = await read(bytes);
  if (palette) {
    const colours = Uint8Array.from(unpacked(data, width, height, depth), (index) => index);
    const result = new Uint8Array(width * height * 3);
    colours.forEach((index, i) => {
      result.set((palette[index] ?? [0, 0, 0]).slice(0, 3), i * 3);
    });
    return { width, height, data: result };
  }
  const top = 2 ** depth - 1;
  const samples = unpacked(data, width * channels, height, depth);
  // Of 16 bits the upper 8 count; fewer than 8 are spread over all of them.
  const all = depth === 8 ? samples : Uint8Array.from(samples, depth === 16 ? (value) => value >> 8 : (value) => (value * 255) / top);
  return { width, height, data: withoutAlpha(all, channels) };
}

/** A PNG whose pixels are classes: numbers of a palette, or what Pillow reads of a grey one. Errors: several numbers a pixel. */
export async function decodePngMap(bytes: Uint8Array): Promise<SegmentationMap> {
  const { width, height, channels, depth, palette, data } = await read(bytes);
  if (channels !== 1) throw new Error(`this PNG has ${channels} numbers a pixel: a segmentation map has one, grey or of a palette`);
  const values = unpacked(data, width, height, depth);
  // As in Pillow, grey of 2 or 4 bits is spread over 8, and of 1 bit it is not.
  const spread = !palette && (depth === 2 || depth === 4) ? 255 / (2 ** depth - 1) : 1;
  return { width, height, data: spread === 1 ? values : Uint8Array.from(values, (value) => value * spread) };
}

async function read(bytes: Uint8Array): Promise<DecodedPng> {
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 33) throw new Error(`this PNG has ${bytes.length} bytes only: it is cut off`);
  checkSize(header.getUint32(16), header.getUint32(20));
  if (header.getUint8(28) === 1 && header.getUint8(24) < 8)
    throw new Error('this PNG is interlaced and has fewer than 8 bits a sample: save it without interlacing');
  const { decode } = await import('fast-png');
  try {
    return decode(bytes, { checkCrc: true });
  } catch (error) {
    throw new Error(`this PNG cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** Samples one by one, where several stand in a byte. Rows begin with a byte of their own. */
function unpacked(data: DecodedPng['data'], columns: number, rows: number, depth: number): Uint8Array | Uint16Array {
  if (depth >= 8) return data instanceof Uint8ClampedArray ? Uint8Array.from(data) : data;
  const each = Math.ceil((columns * depth) / 8);
  const top = 2 ** depth - 1;
  return Uint8Array.from({ length: columns * rows }, (_, i) => {
    const bit = (i % columns) * depth;
    const byte = data[Math.floor(i / columns) * each + (bit >> 3)] as number;
    return (byte >> (8 - depth - (bit & 7))) & top;
  });
}

function withoutAlpha(data: Uint8Array | Uint16Array, channels: number): Uint8Array {
  if (channels === 1 || channels === 3) return data as Uint8Array;
  return (data as Uint8Array).filter((_, i) => i % channels !== channels - 1);
}
