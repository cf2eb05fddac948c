import type { Parameter, Refit, TensorToWrite } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { AdaLoraLayer, Triplet } from './AdaLoraLayer';
import type { AdaLoraConfig } from './config';
import { type Matrix, rankAllocator } from './rankAllocator';
import { masksByLayer, positions, select } from './ranks';
import { readTrainingState, writeTrainingState } from './trainingState';

/** The ranks of one adapter's layers: which singular values there are, and which the file will hold. */
export interface Allocation {
  update(step: number, gradientOf: (name: string) => tf.Tensor | undefined): number | undefined;
  /** What the file holds, by layer key and part: without what is cut. New parameters where something is. */
  stateToSave(): Record<string, Parameter>;
  /** Gives the layers the ranks of another config's pattern, without values. */
  refit(config: AdaLoraConfig): Refit;
  trainingState(): Record<string, TensorToWrite>;
  loadTrainingState(state: Readonly<Record<string, TensorToWrite>>): void;
}

/** @param layers by key @param kept of each layer which of the first init_r singular values it has; taken over */
export function allocation(
  layers: Readonly<Record<string, AdaLoraLayer>>,
  name: string,
  config: AdaLoraConfig,
  kept: Map<string, number[]>,
): Allocation {
  const keys = Object.keys(layers);
  const layerOf = (key: string) => layers[key] as AdaLoraLayer;
  const keptOf = (key: string) => kept.get(key) as number[];
  const matrices = (): Matrix[] => keys.map((key) => ({ name: `${key}.lora_E`, ...layerOf(key).of(name), kept: keptOf(key) }));
  const allocator = rankAllocator(config, matrices);

  const resize = (next: ReadonlyMap<string, number[]>): Refit => {
    const before = { kept: [...kept], importances: [...allocator.importances], pattern: config.rank_pattern };
    const replaced = keys
      .filter((key) => next.get(key)?.length !== keptOf(key).length)
      .map((key) => {
        const layer = layerOf(key);
        const old = layer.of(name);
        layer.place(name, layer.triplet(name, next.get(key)?.length ?? 0));
        return { layer, old };
      });
    for (const [key, places] of next) kept.set(key, places);
    allocator.importances.clear();
    return {
      keep: () => {
        for (const { old } of replaced) dispose(old);
      },
      undo: () => {
        for (const { layer, old } of replaced) {
          dispose(layer.of(name));
          layer.place(name, old);
        }
        for (const [key, places] of before.kept) kept.set(key, places);
        for (const [key, importance] of before.importances) allocator.importances.set(key, importance);
        config.rank_pattern = before.pattern;
      },
    };
  };

  return {
    update: allocator.update,
    stateToSave: () => {
      const masks = masksByLayer(config.rank_pattern, keys, config.init_r);
      const parts = keys.flatMap((key) => {
        const rows = keptOf(key).flatMap((place, row) => (masks[key]?.[place] === false ? [] : [row]));
        const triplet = layerOf(key).of(name);
        const cut = rows.length === keptOf(key).length ? triplet : select(triplet, rows);
        return Object.entries(cut).map(([part, parameter]) => [`${key}.${part}`, parameter as Parameter] as const);
      });
      return Object.fromEntries(parts);
    },
    refit: (other) => {
      if (other.init_r !== config.init_r)
        throw new Error(`init_r is ${other.init_r} in the file and ${config.init_r} here: load the file as an adapter of its own`);
      const masks = masksByLayer(other.rank_pattern, keys, config.init_r);
      const refit = resize(new Map(keys.map((key) => [key, positions(masks[key], config.init_r)])));
      config.rank_pattern = other.rank_pattern;
      return refit;
    },
    trainingState: () => writeTrainingState(matrices(), allocator.importances),
    loadTrainingState: (state) => {
      const read = readTrainingState(state, matrices(), config.init_r);
      resize(new Map(keys.map((key) => [key, read.kept[`${key}.lora_E`] as number[]]))).keep();
      for (const matrix of matrices()) for (const [parameter, values] of read.valuesOf(matrix)) parameter.set(values);
      for (const [part, importance] of read.importances) allocator.importances.set(part, importance);
    },
  };
}

function dispose(triplet: Triplet): void {
  for (const parameter of Object.values(triplet) as Parameter[]) parameter.dispose();
}
