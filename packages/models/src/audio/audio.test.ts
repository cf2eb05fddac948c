import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixturePath } from '../fixtures/fixtures';
import { decodeAudio, readAudio, resample } from './index';

const jfk = fixturePath('../../../../data/speech/jfk.flac');
const read = async (name: string) => new Uint8Array(await readFile(fixturePath(`audio/${name}`)));
const flacs = (await readdir(fixturePath('audio'))).filter((name) => name.endsWith('.flac'));

/** The checksum of samples as FLAC files have it: of whole numbers, channel by channel, the lowest byte first. */
function md5(channels: readonly Float32Array[], bits: number): string {
  const width = bits / 8;
  const [first = new Float32Array(0)] = channels;
  const bytes = Buffer.alloc(first.length * channels.length * width);
  let at = 0;
  for (let i = 0; i < first.length; i++)
    for (const channel of channels) at = bytes.writeIntLE(Math.round((channel[i] as number) * 2 ** (bits - 1)), at, width);
  return createHash('md5').update(bytes).digest('hex');
}

/** What a file says of itself: how many bits and the checksum of its samples. */
function saidBy(bytes: Uint8Array): { bits: number; sum: string } {
  const start = Buffer.from(bytes).indexOf('fLaC') + 8;
  const bits = (((bytes[start + 12] as number) & 1) << 4) + ((bytes[start + 13] as number) >> 4) + 1;
  return { bits, sum: Buffer.from(bytes.subarray(start + 18, start + 34)).toString('hex') };
}

describe('FLAC', () => {
  // Floats of 32 bits do not hold whole numbers of 32 bits.
  it.each(flacs.filter((name) => name !== 'loud32.flac'))('%s has the samples whose checksum it bears', async (name) => {
    const bytes = await read(name);
    const { bits, sum } = saidBy(bytes);
    const { channels, sampling_rate } = decodeAudio(bytes);
    expect(md5(channels, bits)).toBe(sum);
    expect(sampling_rate).toBe(16000);
  });

  it('whole numbers of 32 bits come out as the nearest floats', async () => {
    const { channels } = decodeAudio(await read('loud32.flac'));
    // The tone that make.py makes, with no noise in its second channel.
    const wanted = Float32Array.from({ length: 300 }, (_, i) => Math.round(Math.sin(i * 0.05) * 0.5 * 2147483647) / 2147483648);
    expect(channels[1]).toEqual(wanted);
  });

  it('speech: 24 bits, two channels, 11 seconds', async () => {
    const bytes = new Uint8Array(await readFile(jfk));
    const { channels, sampling_rate } = decodeAudio(bytes);
    expect(sampling_rate).toBe(44100);
    expect(md5(channels, 24)).toBe(saidBy(bytes).sum);
    const samples = await readAudio(jfk);
    expect(samples).toHaveLength(176000);
    expect(await readAudio(bytes.buffer)).toEqual(samples);
    expect(await readAudio(new Blob([bytes]))).toEqual(samples);
  });

  it('says what is wrong with a damaged file, wherever it is damaged', async () => {
    const bytes = await read('stereo16.flac');
    for (let at = 4; at < bytes.length; at += 7) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] as number) ^ 0x10;
      // Tags, block sizes and checksum of the whole are not read; nothing else goes unnoticed.
      try {
        const { channels } = decodeAudio(damaged);
        expect(channels.length).toBeGreaterThan(0);
        expect(at).toBeLessThan(150);
      } catch (error) {
        expect((error as Error).message).toContain('this FLAC file cannot be read');
      }
    }
    for (const length of [3, 5, 20, 45, 100, 500, bytes.length - 1])
      expect(() => decodeAudio(bytes.subarray(0, length)), String(length)).toThrow(length < 4 ? 'neither' : 'cannot be read');
  });
});

describe('WAV', () => {
  it.each([
    ['u8', 2 ** -7],
    ['s16', 2 ** -15],
    ['s24', 2 ** -23],
    ['s32', 2 ** -24],
    ['f32', 2 ** -24],
    ['f64', 2 ** -24],
  ])('%s', async (name, step) => {
    const [bytes, raw] = [await read(`${name}.wav`), await readFile(fixturePath('audio/sound.raw'))];
    const { channels, sampling_rate } = decodeAudio(bytes);
    expect(sampling_rate).toBe(22050);
    expect(channels.map(({ length }) => length)).toEqual([300, 300]);
    channels.forEach((channel, c) => {
      for (let i = 0; i < 300; i++)
        expect(Math.abs((channel[i] as number) - raw.readInt32LE((i * 2 + c) * 4) / 2 ** 31)).toBeLessThanOrEqual(step);
    });
  });

  it('takes what there is of a file written as a stream', async () => {
    const bytes = await read('s16.wav');
    new DataView(bytes.buffer).setUint32(40, 0xffffffff, true);
    expect(decodeAudio(bytes).channels[0]).toEqual(decodeAudio(await read('s16.wav')).channels[0]);
    expect(decodeAudio(bytes.subarray(0, 64)).channels[0]).toHaveLength(5);
  });

  it('says what it cannot read', async () => {
    const whole = await read('s16.wav');
    expect(() => decodeAudio(whole.subarray(0, 40))).toThrow('no samples');
    expect(() => decodeAudio(whole.subarray(0, 10))).toThrow('no WAV file');
    const samplesFirst = Buffer.concat([whole.subarray(0, 12), Buffer.from('data\x04\0\0\0abcd')]);
    expect(() => decodeAudio(samplesFirst)).toThrow('before their format');
    const mulaw = await read('mulaw.wav');
    expect(() => decodeAudio(mulaw)).toThrow('format 7 with 8 bits');
    expect(() => decodeAudio(new Uint8Array([1, 2, 3, 4, 5]))).toThrow('neither a WAV nor a FLAC file');
  });
});

describe('another rate', () => {
  const tone = (hertz: number, rate: number, seconds = 0.4) =>
    Float32Array.from({ length: rate * seconds }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / rate));
  /** In dB, away from the ends. */
  const loudness = (samples: Float32Array) => {
    const inner = samples.subarray(samples.length / 4, (samples.length * 3) / 4);
    return 10 * Math.log10(inner.reduce((sum, x) => sum + x * x, 0) / inner.length);
  };

  it.each([
    [44100, 16000],
    [48000, 16000],
    [8000, 16000],
    [22050, 16000],
    [16000, 44100],
  ])('%i to %i keeps what both can hold, to 80 dB', (from, to) => {
    for (const hertz of [50, 440, 0.4 * Math.min(from, to)]) {
      const [made, wanted] = [resample(tone(hertz, from), from, to), tone(hertz, to)];
      expect(made.length).toBe(wanted.length);
      expect(loudness(made.map((x, i) => x - (wanted[i] as number)))).toBeLessThan(-80);
    }
  });

  it('what is too high does not fold back', () => {
    for (const hertz of [8200, 9000, 12000, 20000]) expect(loudness(resample(tone(hertz, 44100), 44100, 16000))).toBeLessThan(-80);
  });

  it('the same rate is the same sound, and files are read at the rate that is asked for', async () => {
    const samples = tone(100, 8000);
    expect(resample(samples, 8000, 8000)).toBe(samples);
    const folder = await mkdtemp(join(tmpdir(), 'audio-'));
    try {
      await writeFile(join(folder, 'two.wav'), await read('f32.wav'));
      const [{ channels }, both] = [decodeAudio(await read('f32.wav')), await readAudio(join(folder, 'two.wav'), { sampling_rate: 22050 })];
      both.forEach((x, i) => {
        expect(x).toBeCloseTo(((channels[0]?.[i] as number) + (channels[1]?.[i] as number)) / 2, 6);
      });
      await expect(readAudio(join(folder, 'three.wav'))).rejects.toThrow('three.wav');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
