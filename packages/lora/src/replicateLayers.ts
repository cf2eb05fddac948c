import { type BaseModel, cloneModule, getModule, isA, Module, namedModules } from '@peft/core';

/**
 * Makes a deeper model of ranges of a model's layers; layers taken twice share their weights.
 * @returns what undoes it
 */
export function replicateLayers(base: BaseModel, ranges: readonly (readonly [number, number])[]): () => void {
  const found = [...namedModules(base)]
    .flatMap(([path, module]) => (['layers', 'layer', 'h'] as const).map((list) => [path, module, list] as const))
    .find(([, module, list]) => isLayerList((module as unknown as Record<string, unknown>)[list]));
  if (!found) throw new Error('layer_replication cannot be used: this model has no list of layers called layers, layer or h');
  const [path, owner, list] = found;
  const place = getModule(base, path) as unknown as Record<string, Module[]>;
  const original = (owner as unknown as Record<string, Module[]>)[list] as Module[];
  for (const [start, end] of ranges)
    if (start < 0 || end > original.length || start >= end)
      throw new Error(`layer_replication [${start}, ${end}) does not fit a model of ${original.length} layers`);
  const used = new Set<Module>();
  place[list] = ranges.flatMap(([start, end]) =>
    original.slice(start, end).map((layer) => {
      const own = used.has(layer) ? cloneModule(layer, { shareParameters: true }) : layer;
      used.add(layer);
      return own;
    }),
  );
  const count = (layers: number) => {
    for (const name of ['num_hidden_layers', 'n_layer']) if (base.config && Object.hasOwn(base.config, name)) base.config[name] = layers;
  };
  count((place[list] as Module[]).length);
  return () => {
    place[list] = original;
    count(original.length);
  };
}

const isLayerList = (value: unknown): value is Module[] =>
  Array.isArray(value) && value.length > 0 && value.every((entry) => isA(entry, Module));
