// A sinc cut off by a Kaiser window: what is above the pass band is 100 dB lower.
const ZEROS = 48;
const BETA = 10;
/** The pass band's edge as a part of the lower rate's half. */
const PASS = 0.94;
/** Entries of the table from one zero to the next. */
const STEPS = 512;

/** The same sound at another rate, band-limited so that nothing folds back. @param from in Hz @param to in Hz */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return samples;
  kernel ??= makeKernel();
  const table = kernel;
  const scale = Math.min(1, to / from) * PASS;
  const reach = ZEROS / scale;
  const result = new Float32Array(Math.ceil((samples.length * to) / from));
  for (let t = 0; t < result.length; t++) {
    const middle = (t * from) / to;
    const last = Math.min(samples.length - 1, Math.floor(middle + reach));
    let sum = 0;
    for (let i = Math.max(0, Math.ceil(middle - reach)); i <= last; i++) {
      const place = Math.abs(i - middle) * scale * STEPS;
      const at = Math.floor(place);
      const low = table[at] as number;
      sum += (samples[i] as number) * (low + (place - at) * ((table[at + 1] as number) - low));
    }
    result[t] = sum * scale;
  }
  return result;
}

let kernel: Float64Array | undefined;

function makeKernel(): Float64Array {
  const table = new Float64Array(ZEROS * STEPS + 2);
  const height = bessel(BETA);
  for (let i = 0; i <= ZEROS * STEPS; i++) {
    const x = i / STEPS;
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    table[i] = (sinc * bessel(BETA * Math.sqrt(1 - (x / ZEROS) ** 2))) / height;
  }
  return table;
}

/** The modified Bessel function of the first kind, order 0. */
function bessel(x: number): number {
  let [sum, term] = [1, 1];
  for (let k = 1; term > 1e-16 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
