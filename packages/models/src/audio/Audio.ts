/** Sound as a file holds it. */
export interface Audio {
  /** Samples between −1 and 1, of each channel as many. */
  channels: Float32Array[];
  /** Samples a second. */
  sampling_rate: number;
}

/** More samples than a gigabyte holds are refused: a few damaged bytes can ask for any number. */
export const MOST_SAMPLES = 1 << 28;
