/** Cuts the token ids of a text into blocks of one length; what is left at the end is dropped. */
export function textBlocks(ids: ArrayLike<number>, length: number): { input_ids: number[] }[] {
  if (!Number.isInteger(length) || length < 1) throw new Error(`the length of a block must be a whole number above 0, not ${length}`);
  const all = Array.from(ids);
  return Array.from({ length: Math.floor(all.length / length) }, (_, i) => ({ input_ids: all.slice(i * length, (i + 1) * length) }));
}
