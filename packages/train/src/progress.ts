import { type ProgressOptions, ProgressReporter, type StepReport } from './ProgressReporter';

export interface ProgressStep<T> {
  batch: T;
  /** Tells what the step found. */
  update(report: StepReport): void;
}

/** Goes through batches and shows how far it is; `for await (const { batch, update } of progress(loader))`. */
export async function* progress<T>(
  iterable: Iterable<T> | AsyncIterable<T>,
  options: ProgressOptions = {},
): AsyncGenerator<ProgressStep<T>, void, undefined> {
  const { length } = iterable as { length?: unknown };
  const reporter = new ProgressReporter(typeof length === 'number' ? { total: length, ...options } : options);
  const update = (report: StepReport) => reporter.update(report);
  try {
    for await (const batch of iterable) {
      yield { batch, update };
      reporter.advance();
    }
  } finally {
    reporter.end();
  }
}
