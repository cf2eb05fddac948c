import { Generator } from '@peft/core';

export interface SplitOptions {
  /** A share between 0 and 1, or a number of examples. @default 0.1 */
  test_size?: number;
  /** @default 0 */
  seed?: number;
  /** Whether chance decides; otherwise the last examples are for testing. @default true */
  shuffle?: boolean;
}

/** Cuts examples in two, the same for the same seed; a share is rounded up for testing. Errors: a part that would be empty */
export function trainTestSplit<T>(
  examples: ArrayLike<T>,
  { test_size = 0.1, seed = 0, shuffle = true }: SplitOptions = {},
): { train: T[]; test: T[] } {
  const { length } = examples;
  const count = test_size < 1 ? Math.ceil(test_size * length) : test_size;
  if (!(test_size > 0) || !Number.isInteger(count) || count >= length)
    throw new Error(
      `test_size ${test_size} of ${length} examples leaves a part empty: give a share between 0 and 1, or a number of examples`,
    );
  const all = Array.from(examples);
  const mixed = shuffle ? Array.from(new Generator(seed).permutation(length), (i) => all[i] as T) : all;
  return { train: mixed.slice(0, length - count), test: mixed.slice(length - count) };
}
