/**
 * FLAC (RFC 9639, https://www.rfc-editor.org/rfc/rfc9639). Decoders in registries are not kept, or bring along a parser that is not
 * under a permissive licence; the format is small and final.
 */
import { type Audio, MOST_SAMPLES } from './Audio';
import { type BitReader, bitReader } from './BitReader';

interface StreamInfo {
  sampling_rate: number;
  channels: number;
  bits: number;
  /** Of each channel; 0 where it is not known. */
  length: number;
}

/** Decodes a FLAC file. Errors: another kind of file, a damaged one (every frame carries a checksum). */
export function decodeFlac(bytes: Uint8Array): Audio {
  try {
    return decode(bytes);
  } catch (error) {
    throw new Error(`this FLAC file cannot be read: ${(error as Error).message}`);
  }
}

function decode(bytes: Uint8Array): Audio {
  const start = afterTags(bytes);
  if (String.fromCharCode(...bytes.subarray(start, start + 4)) !== 'fLaC') throw new Error('it does not begin with fLaC');
  const { info, position } = readMetadata(bytes, start + 4);
  const frames: Int32Array[][] = [];
  let total = 0;
  // Behind the last frame there may be tags.
  for (let at = position; info.length === 0 ? at < bytes.length : total < info.length; ) {
    const { samples, next } = readFrame(bytes, at, info);
    frames.push(samples);
    total += (samples[0] as Int32Array).length;
    if (total * info.channels > MOST_SAMPLES) throw new Error(`it holds more than ${MOST_SAMPLES} samples`);
    at = next;
  }
  const channels = Array.from({ length: info.channels }, (_, channel) => {
    const all = new Float32Array(total);
    let at = 0;
    for (const frame of frames) {
      for (const sample of frame[channel] as Int32Array) all[at++] = sample / 2 ** (info.bits - 1);
    }
    return all;
  });
  return { channels, sampling_rate: info.sampling_rate };
}

/** Some programs put tags of another format (ID3) before the file. */
function afterTags(bytes: Uint8Array): number {
  if (String.fromCharCode(...bytes.subarray(0, 3)) !== 'ID3') return 0;
  return 10 + [6, 7, 8, 9].reduce((size, i) => size * 128 + ((bytes[i] ?? 0) & 127), 0);
}

function readMetadata(bytes: Uint8Array, start: number): { info: StreamInfo; position: number } {
  let info: StreamInfo | undefined;
  for (let at = start; ; ) {
    const reader = bitReader(bytes, at);
    const isLast = reader.unsigned(1) === 1;
    const type = reader.unsigned(7);
    const size = reader.unsigned(24);
    if (type === 0) {
      reader.unsigned(32);
      reader.unsigned(32);
      reader.unsigned(16); // sizes of blocks and frames, which each frame says itself
      const [sampling_rate, channels, bits] = [reader.unsigned(20), reader.unsigned(3) + 1, reader.unsigned(5) + 1];
      info = { sampling_rate, channels, bits, length: reader.unsigned(4) * 2 ** 32 + reader.unsigned(32) };
    }
    at += 4 + size;
    if (!isLast) continue;
    if (!info) throw new Error('it does not say what it holds (STREAMINFO)');
    if (info.sampling_rate === 0) throw new Error('its sampling rate is 0');
    return { info, position: at };
  }
}

/** How two channels are kept as one and what the other differs by. */
const LEFT_SIDE = 8;
const SIDE_RIGHT = 9;
const MID_SIDE = 10;

function readFrame(bytes: Uint8Array, start: number, info: StreamInfo): { samples: Int32Array[]; next: number } {
  const reader = bitReader(bytes, start);
  if (reader.unsigned(15) !== 0x7ffc) throw new Error(`there is no frame at byte ${start}`);
  reader.unsigned(1); // whether blocks differ in size
  const sizeCode = reader.unsigned(4);
  const rateCode = reader.unsigned(4);
  const layout = reader.unsigned(4);
  reader.unsigned(4); // the sample's size, which STREAMINFO says, too
  const more = bitReader(bytes, reader.position).unsigned(8);
  // The frame's number, written as UTF-8 writes characters.
  const length = more < 0x80 ? 1 : Math.clz32(~(more << 24));
  for (let i = 0; i < length; i++) reader.unsigned(8);
  const size = blockSize(sizeCode, reader);
  if (rateCode >= 12 && rateCode < 15) reader.unsigned(rateCode === 12 ? 8 : 16);
  if (checksum(bytes, start, reader.position, 8, 0x07) !== reader.unsigned(8)) throw new Error(`the frame at byte ${start} is damaged`);

  const count = layout < 8 ? layout + 1 : 2;
  if (layout > MID_SIDE || count !== info.channels)
    throw new Error(`the frame at byte ${start} has other channels than the ${info.channels} of the file`);
  const side = { [LEFT_SIDE]: 1, [SIDE_RIGHT]: 0, [MID_SIDE]: 1 }[layout];
  const all = Array.from({ length: count }, (_, channel) => readSubframe(reader, size, info.bits + (channel === side ? 1 : 0)));
  reader.align();
  const end = reader.position;
  if (checksum(bytes, start, end, 16, 0x8005) !== reader.unsigned(16)) throw new Error(`the frame at byte ${start} is damaged`);
  return {
    samples: layout < 8 ? all.map((one) => Int32Array.from(one)) : apart(all as [Float64Array, Float64Array], layout),
    next: end + 2,
  };
}

function blockSize(code: number, reader: BitReader): number {
  if (code === 0) throw new Error('a frame has no size');
  if (code === 1) return 192;
  if (code < 6) return 576 << (code - 2);
  if (code < 8) return reader.unsigned(code === 6 ? 8 : 16) + 1;
  return 256 << (code - 8);
}

function apart([first, second]: [Float64Array, Float64Array], layout: number): Int32Array[] {
  const [left, right] = [new Int32Array(first.length), new Int32Array(first.length)];
  for (let i = 0; i < first.length; i++) {
    const a = first[i] as number;
    const b = second[i] as number;
    if (layout === LEFT_SIDE) {
      left[i] = a;
      right[i] = a - b;
    } else if (layout === SIDE_RIGHT) {
      left[i] = a + b;
      right[i] = b;
    } else {
      // The mean lost its last bit, which the difference has.
      const sum = 2 * a + (Math.abs(b) % 2);
      left[i] = (sum + b) / 2;
      right[i] = (sum - b) / 2;
    }
  }
  return [left, right];
}

/** One channel of a frame. Numbers are whole, but sums of products may need more than 32 bits. */
function readSubframe(reader: BitReader, size: number, bits: number): Float64Array {
  if (reader.unsigned(1) !== 0) throw new Error('a subframe does not begin with 0');
  const type = reader.unsigned(6);
  const wasted = reader.unsigned(1) === 1 ? reader.zeros() + 1 : 0;
  const width = bits - wasted;
  if (width < 1) throw new Error('a subframe has no bits');
  const samples = new Float64Array(size);
  if (type === 0) samples.fill(reader.signed(width));
  else if (type === 1) for (let i = 0; i < size; i++) samples[i] = reader.signed(width);
  else if (type >= 8 && type <= 12) predictFixed(reader, samples, width, type - 8);
  else if (type >= 32) predictLinear(reader, samples, width, type - 31);
  else throw new Error(`a subframe is of the unknown type ${type}`);
  if (wasted > 0) for (let i = 0; i < size; i++) samples[i] = (samples[i] as number) * 2 ** wasted;
  return samples;
}

/** What the last samples make of the next, with fixed weights: polynomials through them. */
const FIXED = [[], [1], [2, -1], [3, -3, 1], [4, -6, 4, -1]] as const;

function predictFixed(reader: BitReader, samples: Float64Array, width: number, order: number): void {
  readFirst(reader, samples, width, order);
  readResidual(reader, samples, order);
  predict(samples, FIXED[order] as readonly number[], 0);
}

function predictLinear(reader: BitReader, samples: Float64Array, width: number, order: number): void {
  readFirst(reader, samples, width, order);
  const precision = reader.unsigned(4) + 1;
  if (precision === 16) throw new Error("a predictor's precision is not allowed");
  const shift = reader.signed(5);
  if (shift < 0) throw new Error("a predictor's shift is negative");
  const weights = Array.from({ length: order }, () => reader.signed(precision));
  readResidual(reader, samples, order);
  predict(samples, weights, shift);
}

function readFirst(reader: BitReader, samples: Float64Array, width: number, order: number): void {
  if (order > samples.length) throw new Error('a predictor looks further back than its frame is long');
  for (let i = 0; i < order; i++) samples[i] = reader.signed(width);
}

/** Adds to each difference what is predicted of the samples before it. */
function predict(samples: Float64Array, weights: readonly number[], shift: number): void {
  const scale = 2 ** shift;
  for (let i = weights.length; i < samples.length; i++) {
    let sum = 0;
    for (let k = 0; k < weights.length; k++) sum += (weights[k] as number) * (samples[i - 1 - k] as number);
    samples[i] = (samples[i] as number) + Math.floor(sum / scale);
  }
}

/** The differences from what is predicted: in parts, each with the Rice code that suits it. */
function readResidual(reader: BitReader, samples: Float64Array, order: number): void {
  const method = reader.unsigned(2);
  if (method > 1) throw new Error(`differences are coded by the unknown method ${method}`);
  const width = method === 0 ? 4 : 5;
  const parts = 1 << reader.unsigned(4);
  const each = samples.length / parts;
  if (!Number.isInteger(each) || each < order) throw new Error('a frame cannot be divided into its parts');
  for (let part = 0, i = order; part < parts; part++) {
    const end = (part + 1) * each;
    const parameter = reader.unsigned(width);
    if (parameter === (1 << width) - 1) {
      const raw = reader.unsigned(5);
      for (; i < end; i++) samples[i] = reader.signed(raw);
    } else
      for (; i < end; i++) {
        const folded = reader.zeros() * 2 ** parameter + reader.unsigned(parameter);
        samples[i] = folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
      }
  }
}

/** A cyclic redundancy check of a range of bytes. */
function checksum(bytes: Uint8Array, from: number, to: number, width: 8 | 16, polynomial: number): number {
  const [top, mask] = [1 << (width - 1), (1 << width) - 1];
  let value = 0;
  for (let at = from; at < to; at++) {
    value ^= (bytes[at] as number) << (width - 8);
    for (let bit = 0; bit < 8; bit++) value = (value & top ? (value << 1) ^ polynomial : value << 1) & mask;
  }
  return value;
}
