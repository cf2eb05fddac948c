/**
 * The share of words that are wrong, as jiwer's: substitutions, deletions and insertions over all texts, divided by the words of the
 * references; above 1 where more is inserted than there is. Case and punctuation count.
 * Errors: not one text a reference, or a reference without words
 */
export function wordErrorRate(predictions: readonly string[], references: readonly string[]): number {
  if (predictions.length !== references.length || references.length === 0)
    throw new Error(`there are ${predictions.length} texts for ${references.length} references; there must be one each, and at least one`);
  let [errors, words] = [0, 0];
  for (const [i, reference] of references.entries()) {
    const real = wordsOf(reference);
    if (real.length === 0) throw new Error(`reference ${i} has no words`);
    errors += distance(wordsOf(predictions[i] as string), real);
    words += real.length;
  }
  return errors / words;
}

const wordsOf = (text: string): string[] =>
  text
    .replace(/\s\s+/g, ' ')
    .trim()
    .split(' ')
    .filter((word) => word !== '');

/** Levenshtein's: the fewest words to change, leave out or put in. */
function distance(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const word of a) {
    const next = [(row[0] as number) + 1];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + Number(word !== b[j - 1]);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
