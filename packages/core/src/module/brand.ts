/**
 * One program may hold an ESM and a CJS copy of a package, so `instanceof` is not enough:
 * a class states its kind under this symbol and `isA` compares kinds.
 */
export const kind: unique symbol = Symbol.for('@peft/core/kind') as never;

export interface Kinded<T> {
  readonly [kind]: string;
  readonly prototype: T;
}

/** Whether a value is of a class or of one that extends it, also when two copies of the package are loaded. */
export function isA<T>(value: unknown, type: Kinded<T>): value is T {
  if (typeof value !== 'object' || value === null) return false;
  for (let proto = Object.getPrototypeOf(value); proto; proto = Object.getPrototypeOf(proto)) {
    const own = proto.constructor as Partial<Kinded<T>> | undefined;
    if (own && Object.hasOwn(own, kind) && own[kind] === type[kind]) return true;
  }
  return false;
}
