import { isA, kind } from './brand';
import { Parameter } from './Parameter';

/**
 * A node of the model. There is no registration: own enumerable properties that are modules or parameters are its
 * children, arrays and plain objects of them are containers, and the property path is the name, so that names equal the
 * checkpoint's. What is not part of the model is `#private`.
 */
export abstract class Module {
  static readonly [kind]: string = 'Module';
  /** Whether dropout is on; set it for a whole tree with `setTraining`. */
  training = false;
}

/** The constructors of this library's plain containers; anything else that is an object is not walked into. */
const isContainer = (value: unknown): value is Record<string, unknown> =>
  Array.isArray(value) || (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype);

const join = (path: string, key: string) => (path === '' ? key : `${path}.${key}`);

/** Every module below a root with its path, the root first under `''`, in the order of the properties. */
export function* namedModules(root: unknown, path = ''): Generator<[string, Module]> {
  if (isA(root, Module)) yield [path, root];
  else if (!isContainer(root)) return;
  for (const [key, child] of Object.entries(root)) if (typeof child === 'object') yield* namedModules(child, join(path, key));
}

/** Every parameter below a root with its path; one that stands in two places (tied weights) comes twice. */
export function* namedParameters(root: unknown, path = ''): Generator<[string, Parameter]> {
  if (isA(root, Parameter)) yield [path, root];
  else if (isA(root, Module) || isContainer(root))
    for (const [key, child] of Object.entries(root)) if (typeof child === 'object') yield* namedParameters(child, join(path, key));
}

/** Every parameter below a root, each once. */
export function parameters(root: unknown): Parameter[] {
  return [...new Set([...namedParameters(root)].map(([, parameter]) => parameter))];
}

/** The node at a path. Errors: where the path leads nowhere. */
export function getModule(root: Module, path: string): Module {
  let node: unknown = root;
  for (const key of path === '' ? [] : path.split('.'))
    node = typeof node === 'object' && node !== null && Object.hasOwn(node, key) ? (node as Record<string, unknown>)[key] : undefined;
  if (!isA(node, Module)) throw new Error(`there is no module "${path}" here`);
  return node;
}

/** Puts another module or parameter in the place of the one at a path. */
export function replaceModule(root: Module, path: string, replacement: Module | Parameter): void {
  const cut = path.lastIndexOf('.');
  let parent: unknown = root;
  for (const key of cut < 0 ? [] : path.slice(0, cut).split('.')) parent = (parent as Record<string, unknown>)[key];
  (parent as Record<string, unknown>)[path.slice(cut + 1)] = replacement;
}

/** Turns dropout on (`true`) or off for a whole tree. */
export function setTraining(root: Module, training: boolean): void {
  for (const [, module] of namedModules(root)) module.training = training;
}

/** Gives every parameter that has no values yet those of its initialisation, drawn from the default generator. */
export function initialize(root: Module): void {
  for (const parameter of parameters(root)) parameter.initialize();
}

/** Frees all values of a tree. */
export function disposeModule(root: Module): void {
  for (const parameter of parameters(root)) parameter.dispose();
}
