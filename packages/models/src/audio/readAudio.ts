import { bytesOf, type FileLike } from '../shared/bytesOf';
import { readPath } from '../shared/readPath';
import type { Audio } from './Audio';
import { decodeFlac } from './decodeFlac';
import { decodeWav } from './decodeWav';
import { resample } from './resample';

export interface ReadAudioOptions {
  /** Samples a second. @default 16000, which models of speech read */
  sampling_rate?: number;
}

/** Decodes a WAV or FLAC file. Errors: another kind of file, a damaged one. */
export function decodeAudio(bytes: Uint8Array): Audio {
  const start = String.fromCharCode(...bytes.subarray(0, 4));
  if (start === 'RIFF') return decodeWav(bytes);
  if (start === 'fLaC' || start.startsWith('ID3')) return decodeFlac(bytes);
  throw new Error('this is neither a WAV nor a FLAC file: convert it first, for example with ffmpeg -i … speech.flac');
}

/**
 * Reads a WAV or FLAC file as samples of one channel, the mean of all, at the rate that a model reads.
 * @param audio a path, or the file's bytes
 */
export async function readAudio(audio: FileLike, { sampling_rate = 16000 }: ReadAudioOptions = {}): Promise<Float32Array> {
  const bytes = await bytesOf(audio, readPath);
  try {
    const { channels, sampling_rate: rate } = decodeAudio(bytes);
    return resample(mixed(channels), rate, sampling_rate);
  } catch (error) {
    throw typeof audio === 'string' ? new Error(`${audio}: ${(error as Error).message}`) : error;
  }
}

function mixed(channels: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array(0)] = channels;
  if (channels.length === 1) return first;
  return first.map((_, i) => channels.reduce((sum, channel) => sum + (channel[i] as number), 0) / channels.length);
}
