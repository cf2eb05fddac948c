import type { AnyTuner, TextBatch, Tuned } from '@peft/core';
import type { ReferenceModel } from '../reference/runCase';
import { adapters } from './adapters';
import { files } from './files';
import { gradients } from './gradients';
import { merging } from './merging';
import { training } from './training';

/** A method, as the suite tests it. */
export interface MethodUnderTest {
  tuner: AnyTuner;
  /** A config for the model. Called for every test anew. */
  config(): Tuned<AnyTuner>;
  /** A small model with weights, the same each time; without dropout. */
  createModel(): Promise<ReferenceModel>;
  /** The same model as shapes alone. */
  createShapes(): Promise<ReferenceModel>;
  /** A batch with labels, at least two rows. */
  batch: TextBatch;
  /** Whether a fresh adapter leaves the model's outputs as they are. @default true */
  startsAsIdentity?: boolean;
  /** What does not hold for this method, by the test's name, with the reason. */
  skip?: Readonly<Record<string, string>>;
}

/** One test of the suite; it throws where the method fails it. */
export interface Check {
  name: string;
  /** Why it is not run. */
  skip?: string;
  run(): Promise<void>;
}

export type Test = [name: string, run: (method: MethodUnderTest) => Promise<void>];

/**
 * The tests that every method passes, for any test runner:
 * `for (const { name, skip, run } of conformance(method)) (skip ? it.skip : it)(name, run);`
 * Errors: a `skip` that names no test.
 */
export function conformance(method: MethodUnderTest): Check[] {
  const tests: readonly Test[] = [...training, ...gradients, ...files, ...adapters, ...merging];
  const { skip = {} } = method;
  const unknown = Object.keys(skip).filter((name) => !tests.some(([known]) => known === name));
  if (unknown.length > 0)
    throw new Error(`there are no tests ${unknown.join(', ')} to skip; there are: ${tests.map(([name]) => name).join(', ')}`);
  return tests.map(([name, run]) => ({ name, run: () => run(method), ...(skip[name] !== undefined && { skip: skip[name] }) }));
}
