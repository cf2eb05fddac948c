import type { Values } from './readCase';

/** How far a part of a case may be off; each is a fraction, as its comment says. */
export const TOLERANCES = {
  /** Of the largest magnitude in the tensor. */
  outputs: 1e-5,
  /** Of the loss. */
  loss: 1e-5,
  /** The adapter's own values, of the largest in the tensor: they come from the file. */
  parameters: 1e-6,
  /** Of the larger of the tensor's largest and a thousandth of the case's largest, beyond `GRADIENT_NOISE`. */
  gradients: 1e-4,
  /** Losses over training steps, of the loss. */
  losses: 1e-4,
  /** Values after training, as they are, where the gradient is at least 1e-5 of the case's largest: elsewhere Adam steps by noise. */
  trained: 1e-4,
  /** Of the largest magnitude in the tensor. */
  merged: 1e-5,
  merged_outputs: 1e-5,
  /** B·A after initialisation and the base it leaves, of the largest magnitude in the tensor. */
  initial: 1e-5,
  /** What processors make, as it is. */
  processed: 1e-4,
} as const;

/**
 * Rounding in the expected gradients themselves, of the case's largest: gradients that are truly zero (of a bias before a softmax
 * over positions, of a key's bias) are float32 noise there. Python's own gradients in double precision are up to 6e-7 away from
 * its float32 ones in such places.
 */
export const GRADIENT_NOISE = 1e-6;

export type Measure = keyof typeof TOLERANCES;

/** Collects how far a case is off, and what is wrong with it. */
export class Comparison {
  readonly errors: Partial<Record<Measure, number>> = {};
  readonly problems: string[] = [];

  /** Notes a difference that cannot be: counts, names, ids. */
  equal(what: string, ours: unknown, theirs: unknown): void {
    const [a, b] = [JSON.stringify(ours), JSON.stringify(theirs)];
    if (a !== b) this.problems.push(`${what}: ${cut(a)} here, ${cut(b)} expected`);
  }

  /** Notes an error of a measure; the largest one counts. */
  note(measure: Measure, what: string, error: number): void {
    this.errors[measure] = Math.max(this.errors[measure] ?? 0, error);
    const allowed = TOLERANCES[measure];
    if (!(error <= allowed)) this.problems.push(`${what}: off by ${error.toExponential(2)}, allowed is ${allowed}`);
  }

  /** Compares values, relative to the largest magnitude expected, or to `scale`, beyond an absolute `noise`. */
  close(
    measure: Measure,
    what: string,
    ours: Values | undefined,
    theirs: Values,
    { scale = largest(theirs.data) || 1, noise = 0 } = {},
  ): void {
    if (!ours) {
      this.problems.push(`${what} is missing here`);
      return;
    }
    if (ours.shape.length !== theirs.shape.length || ours.shape.some((n, i) => n !== theirs.shape[i])) {
      this.problems.push(`${what} has shape [${ours.shape}], expected [${theirs.shape}]`);
      return;
    }
    const difference = largestDifference(ours.data, theirs.data);
    this.note(measure, what, difference <= noise ? 0 : (difference - noise) / scale);
  }

  /** Notes names that only one side has. @returns those of both */
  names(what: string, ours: readonly string[], theirs: readonly string[]): string[] {
    const only = (a: readonly string[], b: readonly string[]) => a.filter((name) => !b.includes(name));
    const [extra, missing] = [only(ours, theirs), only(theirs, ours)];
    if (missing.length > 0) this.problems.push(`${what} missing here: ${cut(missing.join(', '))}`);
    if (extra.length > 0) this.problems.push(`${what} only here: ${cut(extra.join(', '))}`);
    return theirs.filter((name) => ours.includes(name));
  }
}

const cut = (text: string | undefined) => (text === undefined ? 'nothing' : text.length > 300 ? `${text.slice(0, 300)}…` : text);

export const largest = (values: ArrayLike<number>): number => {
  let max = 0;
  for (let i = 0; i < values.length; i++) max = Math.max(max, Math.abs(values[i] as number));
  return max;
};

/** NaN where either side has one. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let max = 0;
  for (let i = 0; i < b.length; i++) {
    const difference = Math.abs((a[i] as number) - (b[i] as number));
    if (!(difference <= max)) max = difference;
    if (Number.isNaN(difference)) return difference;
  }
  return max;
}
