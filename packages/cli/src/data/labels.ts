/** A class as a number where a file writes it as one, also as a text. */
const asNumber = (label: unknown): number | undefined => {
  const number = typeof label === 'string' && label.trim() !== '' ? Number(label) : typeof label === 'boolean' ? Number(label) : label;
  return typeof number === 'number' || typeof number === 'bigint' ? finite(Number(number)) : undefined;
};
const finite = (n: number) => (Number.isFinite(n) ? n : undefined);

/** What the labels of a training say of the head: names of classes, or how many there are, or that numbers are to be predicted. */
export interface LabelKind {
  readonly names?: readonly string[];
  readonly num_labels: number;
  readonly problem_type: 'single_label_classification' | 'regression';
}

/** @param names where they are given, the classes in their order. Errors: labels that are none of these, or of different kinds */
export function kindOfLabels(labels: readonly unknown[], names?: readonly string[]): LabelKind {
  if (names && names.length > 0) {
    for (const label of labels) labelId(label, names);
    return { names, num_labels: names.length, problem_type: 'single_label_classification' };
  }
  const numbers = labels.map(asNumber);
  if (numbers.every((n) => n !== undefined)) {
    if (numbers.every((n) => Number.isInteger(n) && n >= 0))
      return { num_labels: numbers.reduce((most, n) => Math.max(most, n), 1) + 1, problem_type: 'single_label_classification' };
    return { num_labels: 1, problem_type: 'regression' };
  }
  const wrong = labels.find((label) => typeof label !== 'string');
  if (wrong !== undefined) throw new Error(`labels must be all numbers or all names, and one is ${JSON.stringify(wrong)}`);
  const found = [...new Set(labels as string[])].sort();
  return { names: found, num_labels: found.length, problem_type: 'single_label_classification' };
}

/** The number of a label. Errors: a name that is none of the classes */
export function labelId(label: unknown, names: readonly string[] | undefined): number {
  const at = names?.indexOf(String(label)) ?? -1;
  if (at >= 0) return at;
  const number = asNumber(label);
  if (number !== undefined && (!names || (Number.isInteger(number) && number >= 0 && number < names.length))) return number;
  throw new Error(
    `the label ${JSON.stringify(label)} is none of the classes: ${names?.join(', ') ?? 'their names are not known, give them as --labels'}`,
  );
}
