import * as tf from '@tensorflow/tfjs-core';

/** Frees the tensors among a batch's fields. */
export function freeBatch(batch: unknown): void {
  if (typeof batch === 'object' && batch !== null)
    for (const field of Object.values(batch)) if (field instanceof tf.Tensor) field.dispose();
}

/** How many ids a batch has; 0 where it is not of text. */
export function countTokens(batch: unknown): number {
  const ids = (batch as { input_ids?: { size: number } | readonly (readonly number[])[] } | null)?.input_ids;
  if (!ids) return 0;
  return 'size' in ids ? ids.size : ids.reduce((sum, row) => sum + row.length, 0);
}
