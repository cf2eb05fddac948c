import type { Handle, NativeKernels } from './kernels';

type Shape = readonly number[];

export type Product = (a: Handle, aShape: Shape, b: Handle, bShape: Shape, transposeA?: boolean, transposeB?: boolean) => Handle;

/**
 * The product of two matrices, or of as many on one side as on the other, by the fastest of TensorFlow's kernels; they differ by
 * up to four times (medians on two cores with AVX-512, weights of 512 to 3072 rows and columns):
 * - MatMul is oneDNN's older product. Best for a·b of many rows and for aᵀ·b.
 * - BatchMatMulV2 is oneDNN's newer one. Best for a·bᵀ from 8 rows on (1.1 to 3 times) and for batches of some size (2 to 4 times).
 * - BatchMatMulV3 is Eigen's, which has the least to prepare. Best for a·b of few rows, for small batches and for one row (up to
 *   2 times), but for small weights: there waking a thread takes longer than the product.
 * @param rounds whether factors of large products are rounded to bfloat16
 */
export function products(k: NativeKernels, rounds: boolean): Product {
  return (a, aShape, b, bShape, transposeA = false, transposeB = false) => {
    const [rows, inner] = (transposeA ? [aShape.at(-1), aShape.at(-2)] : aShape.slice(-2)) as [number, number];
    const columns = bShape.at(transposeB ? -2 : -1) as number;
    if (aShape.length > 2) return ofBatches(k, rows, size(aShape) * columns)(a, b, transposeA, transposeB);
    if (rounds && Math.min(rows, inner, columns) >= 64)
      return k.toFloat(k.matMul(k.toBfloat16(a), k.toBfloat16(b), transposeA, transposeB));
    return ofMatrices(k, rows, inner * columns, transposeA, transposeB)(a, b, transposeA, transposeB);
  };
}

function ofMatrices(k: NativeKernels, rows: number, weights: number, transposeA: boolean, transposeB: boolean) {
  if (rows === 1 ? weights > 4e5 : !transposeA && !transposeB && rows <= 8) return k.batchMatMulV3;
  return !transposeA && transposeB && rows >= 8 ? k.batchMatMulV2 : k.matMul;
}

const ofBatches = (k: NativeKernels, rows: number, multiplications: number) =>
  rows === 1 || multiplications < 1e6 ? k.batchMatMulV3 : k.batchMatMulV2;

export const size = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);
