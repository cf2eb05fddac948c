/** A triangle over some frequencies. */
export interface MelFilter {
  /** The first frequency that it weighs. */
  first: number;
  weights: Float64Array;
}

// Slaney's scale: linear below 1000 Hz, logarithmic above.
const LINEAR = 200 / 3;
const KNEE = 1000;
const STEP = Math.log(6.4) / 27;

const toMel = (hertz: number) => (hertz < KNEE ? hertz / LINEAR : KNEE / LINEAR + Math.log(hertz / KNEE) / STEP);
const toHertz = (mel: number) => (mel < KNEE / LINEAR ? mel * LINEAR : KNEE * Math.exp(STEP * (mel - KNEE / LINEAR)));

/**
 * Triangles of equal area whose corners are evenly spaced on Slaney's mel scale (https://engineering.purdue.edu/~malcolm/interval/1998-010).
 * @param frequencies how many there are from 0 to half the sampling rate @param highest in Hz
 */
export function melFilters(count: number, frequencies: number, samplingRate: number, highest: number): MelFilter[] {
  const corners = Array.from({ length: count + 2 }, (_, i) => toHertz((toMel(highest) * i) / (count + 1)));
  const hertz = (k: number) => (k * samplingRate) / 2 / (frequencies - 1);
  return Array.from({ length: count }, (_, i) => {
    const [left, middle, right] = corners.slice(i, i + 3) as [number, number, number];
    const all = Float64Array.from({ length: frequencies }, (_, k) => {
      const height = Math.min((hertz(k) - left) / (middle - left), (right - hertz(k)) / (right - middle));
      return (Math.max(0, height) * 2) / (right - left);
    });
    const first = Math.max(
      0,
      all.findIndex((weight) => weight > 0),
    );
    const last = all.findLastIndex((weight) => weight > 0);
    return { first, weights: all.slice(first, last + 1) };
  });
}
