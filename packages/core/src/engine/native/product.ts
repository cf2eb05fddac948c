import type { Handle } from './binding';
import type { NativeKernels } from './kernels';

type Shape = readonly number[];

export type Product = (a: Handle, aShape: Shape, b: Handle, bShape: Shape, transposeA?: boolean, transposeB?: boolean) => Handle;

/**
 * The product of two matrices, or of as many on one side as on the other, by the fastest of TensorFlow's kernels; they differ by
 * up to four times (medians on two cores with AVX-512, weights of 512 to 3072 rows and columns):
 * - MatMul is oneDNN's older product. Best for large a·b and aᵀ·b, and for one row by small weights.
 * - BatchMatMulV2 is oneDNN's newer one. Best for a·bᵀ (1.1 to 3 times) and for batches of some size (2 to 4 times).
 * - BatchMatMulV3 is Eigen's, which has the least to prepare. Best for one row (up to 2 times), but for small weights: there waking
 *   a thread takes longer than the product.
 *
 * Some small products are faster by Eigen's kernels, V3's or MatMul's for its smallest ones. They are not taken: a signal that
 * comes while they compute, as a profiler's, leaves memory corrupted (seen with TensorFlow 2.21, with matrices alone).
 * @param rounds whether factors of large products are rounded to bfloat16
 */
export function products(k: NativeKernels, rounds: boolean): Product {
  return (a, aShape, b, bShape, transposeA = false, transposeB = false) => {
    const [rows, inner] = (transposeA ? [aShape.at(-1), aShape.at(-2)] : aShape.slice(-2)) as [number, number];
    const columns = bShape.at(transposeB ? -2 : -1) as number;
    if (rows === 1) return (aShape.length > 2 || inner * columns > 4e5 ? k.batchMatMulV3 : k.matMul)(a, b, transposeA, transposeB);
    if (aShape.length > 2) return k.batchMatMulV2(a, b, transposeA, transposeB);
    if (rounds && Math.min(rows, inner, columns) >= 64)
      return k.toFloat(k.matMul(k.toBfloat16(a), k.toBfloat16(b), transposeA, transposeB));
    const newer = (transposeB && !transposeA) || rows * inner * columns < 1e7;
    return (newer ? k.batchMatMulV2 : k.matMul)(a, b, transposeA, transposeB);
  };
}

export const size = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);
