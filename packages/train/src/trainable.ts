import { isA, Module, namedParameters, Parameter } from '@peft/core';

/** What can be trained: a PeftModel, any module, or parameters by name or in a list. Those not `trainable` are left alone. */
export type Trainable =
  | { trainableParameters(): Readonly<Record<string, Parameter>> }
  | Module
  | Readonly<Record<string, Parameter>>
  | readonly Parameter[];

/** The parameters that training updates now, by name; one that has two names comes under the first. */
export function trainableParameters(what: Trainable): Map<string, Parameter> {
  const seen = new Set<Parameter>();
  const found = new Map<string, Parameter>();
  for (const [name, parameter] of named(what))
    if (parameter.trainable && !seen.has(parameter)) {
      seen.add(parameter);
      found.set(name, parameter);
    }
  return found;
}

function named(what: Trainable): Iterable<[string, Parameter]> {
  if (typeof (what as { trainableParameters?: unknown }).trainableParameters === 'function')
    return Object.entries((what as { trainableParameters(): Record<string, Parameter> }).trainableParameters());
  if (isA(what, Module)) return namedParameters(what);
  const entries = Object.entries(what as Record<string, Parameter>);
  const wrong = entries.filter(([, value]) => !isA(value, Parameter)).map(([name]) => name);
  if (wrong.length > 0)
    throw new TypeError(
      `an optimizer takes a model or its parameters; what it was given has other things: ${wrong.slice(0, 5).join(', ')}`,
    );
  return entries;
}
