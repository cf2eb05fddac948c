import * as tf from '@tensorflow/tfjs-core';
import { kind } from '../module/brand';
import { Module, namedParameters } from '../module/Module';
import { Parameter } from '../module/Parameter';

/**
 * A layer that stands in a model in the place of another and adds adapters to it.
 *
 * An adapter's weights stand in plain objects keyed by the adapter's name (`lora_A: { default: … }`), so that saving,
 * loading, freezing and deleting work by structure.
 */
export abstract class AdapterLayer<Layer extends Module = Module> extends Module {
  static override readonly [kind]: string = 'AdapterLayer';
  readonly base_layer: Layer;
  /** Adapters that are on, in the order in which they were activated. */
  active: readonly string[] = [];
  /** Adapters that are added into the base layer's weights, in that order. */
  merged: readonly string[] = [];
  /** For a mixed batch: the adapter of each sample, `__base__` for none. */
  rows: readonly string[] | undefined;
  /** The base layer's own parameters while others, with adapters merged in, stand in their place. */
  readonly #unmerged = new Map<string, Parameter>();

  constructor(base: Layer) {
    super();
    this.base_layer = base;
    this.training = base.training;
  }

  /** The base layer's parameters, by name, with one adapter added: new tensors, which the caller takes over. */
  protected abstract fold(name: string): Record<string, tf.Tensor>;

  /** Names of the adapters that have weights here. */
  get adapters(): string[] {
    return [...new Set(this.#containers().flatMap(([, container]) => Object.keys(container)))];
  }

  /** Parameters of one adapter, by their names in an adapter file. */
  adapterParameters(name: string): Record<string, Parameter> {
    return Object.fromEntries([...this.#parametersOf(name)].filter(([, { role }]) => role !== 'constant'));
  }

  /** Adds an adapter's contribution to the base layer's weights. With `safe`, refuses values that are not finite. */
  merge(name: string, safe = false): void {
    if (this.merged.includes(name) || !this.adapters.includes(name)) return;
    const layer = this.base_layer as unknown as Record<string, Parameter>;
    const folded = this.fold(name);
    try {
      if (safe && !Object.values(folded).every(isAllFinite))
        throw new Error(
          `merging adapter "${name}" gives weights that are not finite: the adapter seems to be broken; nothing was merged here`,
        );
      for (const [parameterName, values] of Object.entries(folded)) {
        const current = layer[parameterName] as Parameter;
        const next = new Parameter(current.shape, undefined, current.trainable);
        next.assign(values);
        // A new parameter in the old one's place: what shares the old one (a tied head, a replicated layer) keeps its values.
        if (this.#unmerged.has(parameterName)) current.dispose();
        else this.#unmerged.set(parameterName, current);
        layer[parameterName] = next;
      }
    } finally {
      tf.dispose(folded);
    }
    this.merged = [...this.merged, name];
  }

  /** Puts the base layer's own weights back, to the bit. */
  unmerge(): void {
    const layer = this.base_layer as unknown as Record<string, Parameter>;
    for (const [name, original] of this.#unmerged) {
      layer[name]?.dispose();
      layer[name] = original;
    }
    this.#unmerged.clear();
    this.merged = [];
  }

  /** Makes the merge final: forgets the base layer's own weights and returns them; whoever holds them no more frees them. */
  keepMerged(): Parameter[] {
    const forgotten = [...this.#unmerged.values()];
    this.#unmerged.clear();
    this.merged = [];
    return forgotten;
  }

  /** A parameter of the base layer as it is without merged adapters. */
  unmergedParameter(name: string): Parameter | null {
    return this.#unmerged.get(name) ?? (this.base_layer as unknown as Record<string, Parameter | null>)[name] ?? null;
  }

  /** Takes an adapter off and frees its weights. */
  remove(name: string): void {
    for (const [, parameter] of this.#parametersOf(name)) parameter.dispose();
    for (const [, container] of this.#containers()) delete container[name];
    this.active = this.active.filter((other) => other !== name);
  }

  *#parametersOf(name: string): Generator<[string, Parameter]> {
    for (const [property, container] of this.#containers())
      if (Object.hasOwn(container, name))
        for (const [rest, parameter] of namedParameters(container[name])) yield [rest === '' ? property : `${property}.${rest}`, parameter];
  }

  /** Plain objects among the properties: each maps adapter names to weights. */
  #containers(): [string, Record<string, unknown>][] {
    return Object.entries(this).filter(
      (entry): entry is [string, Record<string, unknown>] =>
        typeof entry[1] === 'object' && entry[1] !== null && Object.getPrototypeOf(entry[1]) === Object.prototype,
    );
  }
}

const isAllFinite = (values: tf.Tensor): boolean => tf.tidy(() => tf.all(tf.isFinite(values)).dataSync()[0] === 1);
