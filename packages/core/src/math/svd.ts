import { qr } from './qr';

/** A thin singular value decomposition of a matrix [rows, columns], row-major, k = min(rows, columns). */
export interface Svd {
  u: Float64Array; // [rows, k]
  s: Float64Array; // [k], descending
  vt: Float64Array; // [k, columns]
}

const SWEEPS = 60;

/**
 * One-sided Jacobi on the triangular factor: as exact as double precision allows, and a few lines. Libraries that have an SVD
 * bring a matrix class of hundreds of kilobytes with it.
 */
export function svd(matrix: ArrayLike<number>, rows: number, columns: number): Svd {
  if (rows < columns) {
    const { u, s, vt } = svd(transpose(matrix, rows, columns), columns, rows);
    return { u: transpose(vt, rows, rows), s, vt: transpose(u, columns, rows) };
  }
  const n = columns;
  const { q, r } = qr(matrix, rows, n);
  // Working on Rᵀ converges in fewer sweeps: its columns differ in length. Rᵀ = W·S·Zᵀ, so R = Z·S·Wᵀ.
  const work = r.slice(); // rows of R are columns of Rᵀ
  const z = new Float64Array(n * n); // columns of Z, row by row
  for (let i = 0; i < n; i++) z[i * n + i] = 1;
  for (let sweep = 0; sweep < SWEEPS; sweep++) if (!rotateAll(work, z, n)) break;

  const lengths = Float64Array.from({ length: n }, (_, i) => Math.hypot(...work.subarray(i * n, (i + 1) * n)));
  const order = Array.from(lengths.keys()).sort((a, b) => (lengths[b] as number) - (lengths[a] as number));
  const s = Float64Array.from(order, (i) => lengths[i] as number);
  const vt = new Float64Array(n * n);
  const u = new Float64Array(rows * n);
  order.forEach((from, to) => {
    const length = lengths[from] as number;
    for (let c = 0; c < n; c++) vt[to * n + c] = length > 0 ? (work[from * n + c] as number) / length : 0;
    for (let i = 0; i < rows; i++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += (q[i * n + j] as number) * (z[from * n + j] as number);
      u[i * n + to] = sum;
    }
  });
  return { u, s, vt };
}

/** One sweep over all pairs of vectors; says whether any was not orthogonal yet. */
function rotateAll(work: Float64Array, z: Float64Array, n: number): boolean {
  let rotated = false;
  for (let p = 0; p < n - 1; p++)
    for (let q = p + 1; q < n; q++) {
      let alpha = 0;
      let beta = 0;
      let gamma = 0;
      for (let i = 0, a = p * n, b = q * n; i < n; i++, a++, b++) {
        const x = work[a] as number;
        const y = work[b] as number;
        alpha += x * x;
        beta += y * y;
        gamma += x * y;
      }
      if (gamma === 0 || Math.abs(gamma) <= 1e-15 * Math.sqrt(alpha * beta)) continue;
      rotated = true;
      const zeta = (beta - alpha) / (2 * gamma);
      const t = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
      const cos = 1 / Math.sqrt(1 + t * t);
      rotate(work, p * n, q * n, n, cos, cos * t);
      rotate(z, p * n, q * n, n, cos, cos * t);
    }
  return rotated;
}

function rotate(values: Float64Array, a: number, b: number, n: number, cos: number, sin: number): void {
  for (let i = 0; i < n; i++) {
    const x = values[a + i] as number;
    const y = values[b + i] as number;
    values[a + i] = cos * x - sin * y;
    values[b + i] = sin * x + cos * y;
  }
}

function transpose(matrix: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = matrix[i * columns + j] as number;
  return out;
}
