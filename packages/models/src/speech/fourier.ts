/** Computes the power of each frequency from 0 to half the sampling rate, for two frames of real samples at once. */
export type PowerSpectra = (a: Float64Array, b: Float64Array, powerOfA: Float64Array, powerOfB: Float64Array) => void;

/**
 * The discrete Fourier transform of frames of a fixed length, which may be any number; it is fast where its prime factors are small.
 * @param n the frames' length; powers have n / 2 + 1 entries, n even
 */
export function powerSpectra(n: number): PowerSpectra {
  const factors = primeFactors(n);
  const cos = Float64Array.from({ length: n }, (_, i) => Math.cos((2 * Math.PI * i) / n));
  const sin = Float64Array.from({ length: n }, (_, i) => -Math.sin((2 * Math.PI * i) / n));
  const [re, im] = [new Float64Array(n), new Float64Array(n)];
  const [partRe, partIm] = [new Float64Array(n), new Float64Array(n)];

  /** Of every `stride`-th sample of a + i·b from `from` on; the result stands at `to`. */
  const transform = (a: Float64Array, b: Float64Array, from: number, stride: number, to: number, level: number): void => {
    const p = factors[level];
    if (p === undefined) {
      re[to] = a[from] as number;
      im[to] = b[from] as number;
      return;
    }
    const m = n / stride / p;
    for (let q = 0; q < p; q++) transform(a, b, from + q * stride, stride * p, to + q * m, level + 1);
    for (let k = 0; k < m; k++) {
      for (let out = 0; out < p; out++) {
        const step = (k + out * m) * stride; // in turns of 2π / n
        let x = re[to + k] as number;
        let y = im[to + k] as number;
        for (let q = 1, turn = step; q < p; q++, turn += step) {
          if (turn >= n) turn -= n;
          const c = cos[turn] as number;
          const s = sin[turn] as number;
          const u = re[to + q * m + k] as number;
          const v = im[to + q * m + k] as number;
          x += u * c - v * s;
          y += u * s + v * c;
        }
        partRe[out] = x;
        partIm[out] = y;
      }
      for (let out = 0; out < p; out++) {
        re[to + out * m + k] = partRe[out] as number;
        im[to + out * m + k] = partIm[out] as number;
      }
    }
  };

  return (a, b, powerOfA, powerOfB) => {
    transform(a, b, 0, 1, 0, 0);
    // The transform of a real signal is symmetric: what a + i·b gives falls apart into both.
    for (let k = 0; k <= n / 2; k++) {
      const mirror = (n - k) % n;
      const x = re[k] as number;
      const y = im[k] as number;
      const u = re[mirror] as number;
      const v = im[mirror] as number;
      powerOfA[k] = ((x + u) ** 2 + (y - v) ** 2) / 4;
      powerOfB[k] = ((y + v) ** 2 + (u - x) ** 2) / 4;
    }
  };
}

function primeFactors(n: number): number[] {
  const factors: number[] = [];
  for (let p = 2, rest = n; rest > 1; )
    if (rest % p === 0) {
      factors.push(p);
      rest /= p;
    } else p++;
  return factors;
}
