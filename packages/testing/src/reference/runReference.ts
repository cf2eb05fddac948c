import { listCases, readCase } from './readCase';
import { type ReferenceOptions, runCase, Unsupported } from './runCase';

/** What became of a case. */
export interface CaseResult {
  case: string;
  status: 'passed' | 'failed' | 'skipped';
  /** Why it failed or was skipped. */
  reason?: string;
  /** The largest error of each measure; see `TOLERANCES`. */
  errors: Partial<Record<string, number>>;
}

/** Compares every case below a folder with what Python PEFT computed, one after the other. @param filter a part of `<folder>/<case>` */
export async function* runReference(root: string, options: ReferenceOptions & { filter?: string | undefined }): AsyncGenerator<CaseResult> {
  for (const name of await listCases(root)) {
    if (options.filter && !name.includes(options.filter)) continue;
    yield await resultOf(root, name, options);
  }
}

async function resultOf(root: string, name: string, options: ReferenceOptions): Promise<CaseResult> {
  try {
    const { errors, problems } = await runCase(await readCase(root, name), options);
    if (problems.length > 0) return { case: name, status: 'failed', reason: problems.join('; '), errors };
    return { case: name, status: 'passed', errors };
  } catch (error) {
    const status = error instanceof Unsupported ? 'skipped' : 'failed';
    return { case: name, status, reason: (error as Error).message, errors: {} };
  }
}
