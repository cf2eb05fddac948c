import { isA } from './brand';
import { Module } from './Module';
import { Parameter } from './Parameter';

/**
 * A copy of a module and all below it. Parameters are copied, or with `shareParameters` stand in both; what is tied within
 * the module is tied within the copy.
 */
export function cloneModule<M extends Module>(module: M, { shareParameters = false } = {}): M {
  const done = new Map<unknown, unknown>();
  const copy = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (done.has(value)) return done.get(value);
    let result: unknown = value;
    if (isA(value, Parameter)) result = shareParameters ? value : value.clone();
    else if (Array.isArray(value)) result = value.map(copy);
    else if (isA(value, Module) || Object.getPrototypeOf(value) === Object.prototype) {
      const clone = Object.create(Object.getPrototypeOf(value) as object) as Record<string, unknown>;
      done.set(value, clone);
      for (const [key, child] of Object.entries(value)) clone[key] = copy(child);
      return clone;
    }
    done.set(value, result);
    return result;
  };
  return copy(module) as M;
}
