import type { Audio } from './Audio';

// What a format's number stands for.
const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

interface Format {
  code: number;
  channels: number;
  sampling_rate: number;
  bits: number;
}

/** Decodes a WAV file: whole numbers of 8, 16, 24 or 32 bits, or floats of 32 or 64. Errors: another kind, a damaged file. */
export function decodeWav(bytes: Uint8Array): Audio {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const nameAt = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (nameAt(0) !== 'RIFF' || nameAt(8) !== 'WAVE') throw new Error('this is no WAV file: it does not begin with RIFF and WAVE');
  let format: Format | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const [name, size, start] = [nameAt(at), view.getUint32(at + 4, true), at + 8];
    if (name === 'fmt ') format = readFormat(view, start, size);
    if (name === 'data') {
      if (!format) throw new Error('this WAV file is damaged: its samples come before their format');
      // Where a file was written as a stream its size was not known.
      return readSamples(view, start, Math.min(size, bytes.length - start), format);
    }
    at = start + size + (size % 2);
  }
  throw new Error('this WAV file is damaged: it has no samples');
}

function readFormat(view: DataView, at: number, size: number): Format {
  if (size < 16 || at + size > view.byteLength) throw new Error('this WAV file is damaged: its format is cut off');
  let code = view.getUint16(at, true);
  if (code === EXTENSIBLE && size >= 26) code = view.getUint16(at + 24, true);
  const [channels, sampling_rate, bits] = [view.getUint16(at + 2, true), view.getUint32(at + 4, true), view.getUint16(at + 14, true)];
  const isKnown = (code === PCM && [8, 16, 24, 32].includes(bits)) || (code === FLOAT && [32, 64].includes(bits));
  if (!isKnown)
    throw new Error(`WAV files of format ${code} with ${bits} bits cannot be read; 1 (8, 16, 24 or 32 bits) and 3 (32 or 64, float) can`);
  if (channels === 0 || sampling_rate === 0) throw new Error(`this WAV file is damaged: ${channels} channels, ${sampling_rate} Hz`);
  return { code, channels, sampling_rate, bits };
}

function readSamples(view: DataView, start: number, size: number, { code, channels, sampling_rate, bits }: Format): Audio {
  const width = bits / 8;
  const count = Math.floor(size / (width * channels));
  const read = reader(view, code, bits);
  const all = Array.from({ length: channels }, (_, channel) => {
    const samples = new Float32Array(count);
    for (let i = 0; i < count; i++) samples[i] = read(start + (i * channels + channel) * width);
    return samples;
  });
  return { channels: all, sampling_rate };
}

function reader(view: DataView, code: number, bits: number): (at: number) => number {
  if (code === FLOAT) return bits === 32 ? (at) => view.getFloat32(at, true) : (at) => view.getFloat64(at, true);
  if (bits === 8) return (at) => (view.getUint8(at) - 128) / 128; // alone without a sign
  if (bits === 16) return (at) => view.getInt16(at, true) / 32768;
  if (bits === 24) return (at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 65536) / 8388608;
  return (at) => view.getInt32(at, true) / 2147483648;
}
