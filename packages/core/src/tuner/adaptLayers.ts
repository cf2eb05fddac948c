import { isA } from '../module/brand';
import { getModule, type Module, namedParameters, replaceModule } from '../module/Module';
import type { Parameter } from '../module/Parameter';
import { AdapterLayer } from './AdapterLayer';
import type { Adapter } from './Tuner';

export interface LayerAdapter<Layer extends AdapterLayer = AdapterLayer> extends Adapter {
  readonly layers: Readonly<Record<string, Layer>>;
  merge(options?: { safe?: boolean }): void;
  unmerge(): void;
}

export interface AdaptLayersOptions<Layer extends AdapterLayer> {
  /** Keys of the modules to adapt, e.g. from `matchModules`. */
  keys: readonly string[];
  /** The adapter layer for a module that has none yet. Errors: what modules can be adapted. */
  wrap(module: Module, key: string): Layer;
  /** Gives an adapter layer this adapter's weights. */
  add(layer: Layer, key: string): void;
}

/**
 * Puts one adapter on the matched modules of a model: replaces each by an adapter layer, or adds to the one that is there.
 * A failure leaves the model as it was.
 */
export function adaptLayers<Layer extends AdapterLayer>(
  base: Module,
  name: string,
  { keys, wrap, add }: AdaptLayersOptions<Layer>,
): LayerAdapter<Layer> {
  const layers: Record<string, Layer> = {};
  try {
    for (const key of keys) {
      const module = getModule(base, key);
      const layer = isA(module, AdapterLayer) ? (module as unknown as Layer) : wrap(module, key);
      layers[key] = layer;
      add(layer, key);
    }
  } catch (error) {
    for (const layer of Object.values(layers)) layer.remove(name);
    throw error;
  }
  for (const [key, layer] of Object.entries(layers)) if (getModule(base, key) !== layer) replaceModule(base, key, layer);

  const keyPrefix = 'base_model.model.';
  const collect = () =>
    Object.fromEntries(
      Object.entries(layers).flatMap(([key, layer]) =>
        Object.entries(layer.adapterParameters(name)).map(([rest, parameter]) => [`${keyPrefix}${key}.${rest}`, parameter] as const),
      ),
    );
  return {
    keyPrefix,
    layers,
    parameters: collect,
    state: collect,
    enable: (on) => {
      for (const layer of Object.values(layers)) {
        const others = layer.active.filter((other) => other !== name);
        layer.active = on ? [...others, name] : others;
      }
    },
    detach: ({ keepMerged = false } = {}) => {
      for (const [key, layer] of Object.entries(layers)) {
        const forgotten = keepMerged ? layer.keepMerged() : [];
        if (!keepMerged) layer.unmerge();
        layer.remove(name);
        if (layer.adapters.length === 0 && getModule(base, key) === (layer as Module)) replaceModule(base, key, layer.base_layer);
        disposeUnused(base, forgotten);
      }
    },
    merge: ({ safe = false } = {}) => {
      const done: Layer[] = [];
      try {
        for (const layer of Object.values(layers)) {
          if (layer.merged.length === 0) done.push(layer);
          layer.merge(name, safe);
        }
      } catch (error) {
        for (const layer of done) layer.unmerge();
        throw error;
      }
    },
    unmerge: () => {
      for (const layer of Object.values(layers)) layer.unmerge();
    },
    route: (rows) => {
      for (const layer of Object.values(layers)) layer.rows = rows;
    },
  };
}

/** Frees parameters that stand nowhere in the model any more. */
function disposeUnused(base: Module, candidates: readonly Parameter[]): void {
  if (candidates.length === 0) return;
  const used = new Set([...namedParameters(base)].map(([, parameter]) => parameter));
  for (const parameter of candidates) if (!used.has(parameter)) parameter.dispose();
}
