/** A class: its number or its name. */
export type Label = number | string;

/** The share of predictions that are right. */
export function accuracy(predictions: ArrayLike<Label>, references: ArrayLike<Label>): number {
  check(predictions, references);
  return Array.from(predictions).filter((prediction, i) => prediction === references[i]).length / predictions.length;
}

export interface F1Options {
  /**
   * `binary` scores one of two classes; `macro` is the mean over classes, those that were only predicted among them; `weighted`
   * the mean by how often a class is real; `micro` counts over all classes. @default binary
   */
  average?: 'binary' | 'macro' | 'weighted' | 'micro';
  /** The class that `binary` scores. @default 1 */
  positive?: Label;
}

/**
 * The harmonic mean of precision and recall, as scikit-learn's; 0 for a class that is neither real nor predicted.
 * Errors: `binary` where there are more than two classes, or two without the positive one
 */
export function f1(
  predictions: ArrayLike<Label>,
  references: ArrayLike<Label>,
  { average = 'binary', positive = 1 }: F1Options = {},
): number {
  check(predictions, references);
  const counts = new Map<Label, { both: number; predicted: number; real: number }>();
  const of = (label: Label) => {
    const count = counts.get(label) ?? { both: 0, predicted: 0, real: 0 };
    counts.set(label, count);
    return count;
  };
  for (let i = 0; i < predictions.length; i++) {
    const [predicted, real] = [of(predictions[i] as Label), of(references[i] as Label)];
    predicted.predicted++;
    real.real++;
    if (predicted === real) real.both++;
  }
  const score = ({ both, predicted, real }: { both: number; predicted: number; real: number }) => (2 * both) / (predicted + real);
  if (average === 'binary') {
    if (counts.size > 2 || (counts.size === 2 && !counts.has(positive)))
      throw new Error(
        `binary F1 scores class ${JSON.stringify(positive)} of two, and the classes here are ${[...counts.keys()].join(', ')}: ` +
          "set `positive`, or average to 'macro', 'weighted' or 'micro'",
      );
    const count = counts.get(positive);
    return count ? score(count) : 0;
  }
  const all = [...counts.values()];
  const total = predictions.length;
  if (average === 'micro') return all.reduce((sum, { both }) => sum + both, 0) / total;
  return all.reduce((sum, count) => sum + score(count) * (average === 'macro' ? 1 / all.length : count.real / total), 0);
}

/** Matthews' correlation, of any number of classes: 1 where all is right, about 0 by chance. */
export function matthews(predictions: ArrayLike<number>, references: ArrayLike<number>): number {
  check(predictions, references);
  const total = predictions.length;
  const counts = new Map<number, { predicted: number; real: number }>();
  const of = (label: number) =>
    counts.get(label) ?? (counts.set(label, { predicted: 0, real: 0 }).get(label) as { predicted: number; real: number });
  let right = 0;
  for (let i = 0; i < total; i++) {
    const [prediction, reference] = [predictions[i] as number, references[i] as number];
    right += Number(prediction === reference);
    of(prediction).predicted++;
    of(reference).real++;
  }
  const sum = (term: (count: { predicted: number; real: number }) => number) =>
    [...counts.values()].reduce((all, count) => all + term(count), 0);
  const spread = Math.sqrt((total ** 2 - sum(({ predicted }) => predicted ** 2)) * (total ** 2 - sum(({ real }) => real ** 2)));
  return spread === 0 ? 0 : (right * total - sum(({ predicted, real }) => predicted * real)) / spread;
}

/** e to the mean loss a token (natural logarithm). */
export const perplexity = (meanLoss: number): number => Math.exp(meanLoss);

/** Of each row of scores the place of the highest: the predicted class. */
export const argMax = (rows: Iterable<ArrayLike<number>>): number[] =>
  Array.from(rows, (row) => {
    let best = 0;
    for (let i = 1; i < row.length; i++) if ((row[i] as number) > (row[best] as number)) best = i;
    return best;
  });

function check(predictions: ArrayLike<unknown>, references: ArrayLike<unknown>): void {
  if (predictions.length !== references.length || predictions.length === 0)
    throw new Error(
      `there are ${predictions.length} predictions for ${references.length} references; there must be one each, and at least one`,
    );
}
