import type { AnyTuner } from './Tuner';

// On globalThis, since one program may hold an ESM and a CJS copy of this package.
const slot = Symbol.for('@peft/core/registry@1');
const shared = globalThis as unknown as Record<symbol, Map<string, AnyTuner> | undefined>;
const registry = () => (shared[slot] ??= new Map());

/** Makes a method known by its `peft_type`, so that files of that type can be loaded without naming it. */
export function registerTuner(tuner: AnyTuner): void {
  registry().set(tuner.type, tuner);
}

/** The method of a `peft_type`: among those given, else among the registered. Errors: names what is known. */
export function findTuner(type: unknown, given: readonly AnyTuner[] = []): AnyTuner {
  const found = given.find((tuner) => tuner.type === type) ?? (typeof type === 'string' ? registry().get(type) : undefined);
  if (found) return found;
  if (type === undefined)
    throw new Error('this adapter config has no peft_type, so no method can be chosen for it: it is of no adapter, or damaged');
  const known = [...new Set([...given.map((tuner) => tuner.type as string), ...registry().keys()])];
  throw new Error(
    `no method is known for peft_type ${JSON.stringify(type)}; known here: ${known.join(', ') || 'none'}. ` +
      'Pass its tuner ({ tuners: [...] }) or call registerTuner(...) with it first',
  );
}
