import type * as tf from '@tensorflow/tfjs-core';
import { isA, kind } from '../module/brand';
import { cloneModule } from '../module/cloneModule';
import { disposeModule, getModule, Module, namedModules, namedParameters, replaceModule } from '../module/Module';
import type { Parameter } from '../module/Parameter';
import { AdapterLayer } from '../tuner/AdapterLayer';
import { BASE, computeByRows } from '../tuner/mixedBatch';

type Forward = (...inputs: unknown[]) => unknown;

/** Stands in the place of a module that adapters train as a whole: each adapter has a copy of its own. */
export class ModulesToSaveWrapper extends Module {
  static override readonly [kind] = 'ModulesToSaveWrapper';
  readonly original_module: Module;
  readonly modules_to_save: Record<string, Module> = {};
  /** The adapter whose copy computes; none: the original does. */
  active: string | undefined;
  rows: readonly string[] | undefined;

  constructor(original: Module) {
    super();
    this.original_module = original;
    this.training = original.training;
  }

  forward(...inputs: unknown[]): unknown {
    if (this.rows)
      return computeByRows(
        inputs[0] as tf.Tensor | tf.Tensor[],
        this.rows,
        (x, name) => this.#forwardOf(name === BASE ? undefined : name)(x) as tf.Tensor,
      );
    return this.#forwardOf(this.active)(...inputs);
  }

  #forwardOf(name: string | undefined): Forward {
    const module = (name === undefined ? undefined : this.modules_to_save[name]) ?? this.original_module;
    return (...inputs) => (module as Module & { forward: Forward }).forward(...inputs);
  }
}

/** Copies of modules that one adapter trains as a whole. */
export interface SavedModules {
  readonly wrappers: Readonly<Record<string, ModulesToSaveWrapper>>;
  /** By in-memory name: `<key>.modules_to_save.<parameter>`. */
  parameters(): Record<string, Parameter>;
  /** By file name: the module's own. */
  state(): Record<string, Parameter>;
  enable(on: boolean): void;
  /** Takes the copies off; with `keepTrained` the trained copy takes the module's place for good. */
  detach(options?: { keepTrained?: boolean }): void;
}

/**
 * Gives an adapter its own copy of every module whose path ends with one of the names. As in Python PEFT that is a plain
 * test of the path's end: `score` also takes `underscore`.
 */
export function saveModules(base: Module, adapter: string, names: readonly string[]): SavedModules {
  const wrappers: Record<string, ModulesToSaveWrapper> = {};
  for (const [key, module] of [...namedModules(base)]) {
    if (key === '' || Object.keys(wrappers).some((outer) => key.startsWith(`${outer}.`)) || !names.some((name) => key.endsWith(name)))
      continue;
    if (isInside(base, key)) continue;
    if (isA(module, AdapterLayer))
      throw new Error(`modules_to_save names "${key}", which is adapted already: take it out of modules_to_save or out of target_modules`);
    if (typeof (module as { forward?: unknown }).forward !== 'function')
      throw new Error(`modules_to_save names "${key}", which is a container and not a layer: name the layers in it`);
    wrappers[key] = isA(module, ModulesToSaveWrapper) ? module : new ModulesToSaveWrapper(module);
  }
  for (const [key, wrapper] of Object.entries(wrappers)) {
    wrapper.modules_to_save[adapter] = cloneModule(wrapper.original_module);
    replaceModule(base, key, wrapper);
  }
  const collect = (infix: string) => () =>
    Object.fromEntries(
      Object.entries(wrappers).flatMap(([key, wrapper]) =>
        [...namedParameters(wrapper.modules_to_save[adapter])].map(([name, parameter]) => [`${key}.${infix}${name}`, parameter] as const),
      ),
    );
  return {
    wrappers,
    parameters: collect('modules_to_save.'),
    state: collect(''),
    enable: (on) => {
      for (const wrapper of Object.values(wrappers))
        if (on) wrapper.active = adapter;
        else if (wrapper.active === adapter) wrapper.active = undefined;
    },
    detach: ({ keepTrained = false } = {}) => {
      for (const [key, wrapper] of Object.entries(wrappers)) {
        const copy = wrapper.modules_to_save[adapter] as Module;
        delete wrapper.modules_to_save[adapter];
        if (keepTrained) replaceModule(base, key, copy);
        else disposeModule(copy);
        if (wrapper.active === adapter) wrapper.active = undefined;
        if (!keepTrained && Object.keys(wrapper.modules_to_save).length === 0 && getModule(base, key) === wrapper)
          replaceModule(base, key, wrapper.original_module);
      }
    },
  };
}

/** Whether a path leads through a wrapper. */
function isInside(base: Module, key: string): boolean {
  const parts = key.split('.');
  return parts.some((_, i) => {
    if (i === 0) return false;
    let node: unknown = base;
    for (const part of parts.slice(0, i)) node = (node as Record<string, unknown>)[part];
    return isA(node, ModulesToSaveWrapper);
  });
}
