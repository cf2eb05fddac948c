import type { Handle } from './binding';
import { FIRST_HELD, type Held } from './held';

/** Operations that a body makes. */
export interface Pattern {
  /** Inputs: of the body -1, -2, …; of its own operations from `FIRST_HELD` on; else constants. */
  readonly steps: readonly Held[];
  /** The place of the operation whose result is the body's. */
  readonly result: number;
}

/**
 * Held-back operations as a pattern; nothing where they use what could not be found again.
 * @param made what a body made, in order
 * @param result the handle of its result
 * @param inputs those of the body
 */
export function patternOf(
  made: readonly Held[],
  result: Handle,
  inputs: readonly Handle[],
  isConstant: (handle: Handle) => boolean,
): Pattern | undefined {
  const start = made[0]?.id ?? Number.POSITIVE_INFINITY;
  const within = (handle: Handle): Handle => {
    if (handle >= start) return handle - start + FIRST_HELD;
    const at = inputs.indexOf(handle);
    return at >= 0 ? -1 - at : isConstant(handle) ? handle : Number.NaN;
  };
  const steps = made.map((step) => ({ ...step, inputs: step.inputs.map(within) }));
  const isWhole = result >= start && !steps.some((step) => step.inputs.some(Number.isNaN));
  return isWhole ? { steps, result: result - start } : undefined;
}

/** The operations of a pattern on other inputs. @param start the handle of the first of them */
export function repeated({ steps }: Pattern, start: Handle, inputs: readonly Handle[]): Held[] {
  const here = (input: Handle): Handle =>
    input < 0 ? (inputs[-1 - input] as Handle) : input < FIRST_HELD ? input : input - FIRST_HELD + start;
  return steps.map((step, i) => ({ ...step, id: start + i, inputs: step.inputs.map(here) }));
}
