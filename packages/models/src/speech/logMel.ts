import { powerSpectra } from './fourier';
import { melFilters } from './melFilters';

export interface LogMelOptions {
  /** Frequency bands. */
  mels: number;
  samplingRate: number;
  /** Samples from one frame to the next. */
  hop: number;
  /** Samples of a frame. */
  size: number;
}

/** Bands above it hold nothing of speech at any sampling rate that models use. */
const HIGHEST = 8000;

/**
 * The log-mel spectrogram as Whisper reads it: Hann windows around every `hop`-th sample (the signal mirrored at both ends), the
 * power in mel bands, its logarithm no more than 8 below the largest, all of it then about −1 to 1.
 * @returns of a signal the bands [mels][samples / hop]. Errors: a signal too short to be mirrored
 */
export function logMel({ mels, samplingRate, hop, size }: LogMelOptions): (samples: Float32Array) => Float32Array[] {
  const frequencies = size / 2 + 1;
  const filters = melFilters(mels, frequencies, samplingRate, HIGHEST);
  const spectra = powerSpectra(size);
  const window = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
  const [frameA, frameB, powerA, powerB] = [size, size, frequencies, frequencies].map((length) => new Float64Array(length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  return (samples) => {
    const last = samples.length - 1;
    if (last < size / 2) throw new Error(`${samples.length} samples are too few: there must be more than ${size / 2}`);
    const frames = Math.floor(samples.length / hop);
    const bands = Array.from({ length: mels }, () => new Float32Array(frames));
    const cut = (frame: Float64Array, t: number) => {
      const start = t * hop - size / 2;
      for (let i = 0; i < size; i++) {
        const at = Math.abs(start + i);
        frame[i] = (samples[at > last ? 2 * last - at : at] as number) * (window[i] as number);
      }
    };
    let loudest = -10;
    const write = (power: Float64Array, t: number) =>
      filters.forEach(({ first, weights }, m) => {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += (weights[k] as number) * (power[first + k] as number);
        const level = Math.log10(Math.max(sum, 1e-10));
        (bands[m] as Float32Array)[t] = level;
        if (level > loudest) loudest = level;
      });
    for (let t = 0; t < frames; t += 2) {
      cut(frameA, t);
      if (t + 1 < frames) cut(frameB, t + 1);
      spectra(frameA, frameB, powerA, powerB);
      write(powerA, t);
      if (t + 1 < frames) write(powerB, t + 1);
    }
    for (const band of bands)
      band.forEach((level, t) => {
        band[t] = (Math.max(level, loudest - 8) + 4) / 4;
      });
    return bands;
  };
}
