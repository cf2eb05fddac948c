import type { Handle } from './binding';
import type { NativeKernels } from './kernels';

type Shape = readonly number[];

export type Product = (a: Handle, aShape: Shape, b: Handle, bShape: Shape, transposeA?: boolean, transposeB?: boolean) => Handle;

/** So many weights at least a thread multiplies by: to wake one takes as long as some ten thousand. */
const PART = 1e5;

/**
 * The product of two matrices, or of as many on one side as on the other, by the fastest of TensorFlow's kernels; they differ by
 * up to four times (medians on two cores with AVX-512, weights of 512 to 3072 rows and columns):
 * - MatMul is oneDNN's older product. Best for large a·b and aᵀ·b.
 * - BatchMatMulV2 is oneDNN's newer one. Best for a·bᵀ (1.1 to 3 times) and for batches of some size (2 to 4 times).
 * - BatchMatMulV3 is Eigen's, which has the least to prepare and works on the thread that calls it, where oneDNN's wait for
 *   others. Best for one row (up to 2 times).
 *
 * Some small products are faster by Eigen's kernels, V3's or MatMul's for its smallest ones. They are not taken: a signal that
 * comes while they compute, as a profiler's, leaves memory corrupted (seen with TensorFlow 2.21, with matrices alone).
 * @param rounds whether factors of large products are rounded to bfloat16
 */
export function products(k: NativeKernels, rounds: boolean, threads: number): Product {
  return (a, aShape, b, bShape, transposeA = false, transposeB = false) => {
    const [rows, inner] = (transposeA ? [aShape.at(-1), aShape.at(-2)] : aShape.slice(-2)) as [number, number];
    const columns = bShape.at(transposeB ? -2 : -1) as number;
    if (rows === 1 && aShape.length === 2 && !transposeA) return rowProduct(k, threads, a, b, inner, columns, transposeB);
    if (rows === 1) return k.batchMatMulV3(a, b, transposeA, transposeB);
    if (aShape.length > 2) return k.batchMatMulV2(a, b, transposeA, transposeB);
    if (rounds && Math.min(rows, inner, columns) >= 64)
      return k.toFloat(k.matMul(k.toBfloat16(a), k.toBfloat16(b), transposeA, transposeB));
    const newer = (transposeB && !transposeA) || rows * inner * columns < 1e7;
    return (newer ? k.batchMatMulV2 : k.matMul)(a, b, transposeA, transposeB);
  };
}

/**
 * One row by a matrix, as a batch of equal parts of the matrix: TensorFlow gives a thread one of them. A whole product it gives in
 * three parts to two threads, one of which works when the other waits.
 */
function rowProduct(
  k: NativeKernels,
  threads: number,
  row: Handle,
  matrix: Handle,
  inner: number,
  columns: number,
  transposed: boolean,
): Handle {
  const parts = Math.min(threads, Math.floor((inner * columns) / PART));
  if (parts < 2) return k.batchMatMulV3(row, matrix, false, transposed);
  if (!transposed) {
    if (inner % parts > 0) return k.batchMatMulV3(row, matrix);
    return k.sum(k.batchMatMulV3(k.reshape(row, [parts, 1, inner / parts]), k.reshape(matrix, [parts, inner / parts, columns])), [0]);
  }
  const rest = columns % parts;
  const even = columns - rest;
  const byParts = (rows: Handle) => k.reshape(k.batchMatMulV3(row, k.reshape(rows, [parts, even / parts, inner]), false, true), [1, even]);
  if (rest === 0) return byParts(matrix);
  const ofRest = k.batchMatMulV3(row, k.slice(matrix, [even, 0], [rest, inner]), false, true);
  return k.concat(byParts(k.slice(matrix, [0, 0], [even, inner])), ofRest, 1);
}

export const size = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);
