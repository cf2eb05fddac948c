import {
  type Adapter,
  AdapterLayer,
  type AttachContext,
  adaptLayers,
  type BaseModel,
  Conv1D,
  Conv2d,
  Embedding,
  fanInFanOut,
  getModule,
  isA,
  type LayerAdapter,
  Linear,
  type Module,
  matchModules,
  namedModules,
  type Parameter,
  replaceModule,
  resolvePattern,
  resolveTargets,
  type TrainedBiases,
  type Tuner,
  trainBiases,
  warn,
} from '@peft/core';
import { completeLoraConfig, unsupported, validateLoraConfig } from './checkConfig';
import { type CombineOptions, combineAdapters } from './combine/combineAdapters';
import { type LoraConfig, loraFields } from './config';
import type { LayerSettings } from './LayerSettings';
import { LoraConv2d } from './LoraConv2d';
import { LoraEmbedding } from './LoraEmbedding';
import { LoraLinear } from './LoraLinear';
import { replicateLayers } from './replicateLayers';
import { subtractInitial } from './subtractInitial';
import { TiedTokensHead, TrainableTokensWrapper } from './TrainableTokens';
import { defaultTargets } from './targets';

/** A layer with LoRA on it. */
export type LoraLayer = LoraLinear | LoraEmbedding | LoraConv2d;

/** LoRA's adapter on a model. */
export interface LoraAdapter extends Adapter {
  readonly layers: Readonly<Record<string, LoraLayer>>;
}

export type Lora = Tuner<LoraConfig, BaseModel, LoraAdapter, CombineOptions>;

/** The method LoRA; pass it where adapters are loaded. A config made by `loraConfig` carries it. */
export const lora: Lora = {
  type: 'LORA',
  tags: ['lora'],
  fields: loraFields,
  validate: validateLoraConfig,
  complete: completeLoraConfig,
  resolve: (config, base) =>
    config.target_modules === null && config.target_parameters?.length
      ? config
      : { ...config, target_modules: resolveTargets(base, config, defaultTargets) },
  attach: attachLora,
  combine: combineAdapters,
  subtractInitial,
};

function attachLora(base: BaseModel, config: LoraConfig, name: string, _context: AttachContext): LoraAdapter {
  const missing = unsupported(config);
  if (missing.length > 0) throw new Error(`this LoRA config asks for what is not built here: ${missing.join(', ')}`);
  const present = [...namedModules(base)].flatMap(([, module]) => (isA(module, AdapterLayer) ? [module] : []));
  if (present.some((layer) => layer.merged.length > 0))
    throw new Error('adapters are merged: call unmergeAdapter() before adding another one');
  if (config.bias !== 'none' && present.length > 0)
    throw new Error('only one adapter of a model can train biases, and it must be the first: set bias to "none"');
  if (changesBase(config) && present.length > 0)
    warn(`init_lora_weights "${config.init_lora_weights}" changes the base weights, which the other adapters on this model see, too`);

  const undo = config.layer_replication ? replicateLayers(base, config.layer_replication) : () => undefined;
  let adapter: LayerAdapter<LoraLayer>;
  let tokens: LayerAdapter[] = [];
  let biases: TrainedBiases | undefined;
  try {
    const keys = matchModules(base, config);
    config.fan_in_fan_out = fanInFanOut(base, keys, config.fan_in_fan_out);
    adapter = adaptLayers<LoraLayer>(base, name, { keys, wrap: wrapLayer, add: (layer, key) => layer.add(name, settingsOf(config, key)) });
    try {
      tokens = trainTokens(base, config, name);
      biases = config.bias === 'none' ? undefined : trainBiases(base, name, config.bias === 'all' ? 'all' : 'adapted');
    } catch (error) {
      adapter.detach();
      throw error;
    }
  } catch (error) {
    undo();
    throw error;
  }

  const parts = [adapter, ...tokens];
  const prefixed = (entries: Record<string, Parameter> = {}) =>
    Object.fromEntries(Object.entries(entries).map(([key, parameter]) => [adapter.keyPrefix + key, parameter]));
  const together = (pick: (part: LayerAdapter) => Record<string, Parameter>) =>
    Object.assign({}, ...parts.map(pick)) as Record<string, Parameter>;
  return {
    keyPrefix: adapter.keyPrefix,
    layers: adapter.layers,
    parameters: () => ({ ...inMemory(together((part) => part.parameters())), ...prefixed(biases?.parameters()) }),
    state: () => ({
      ...together((part) => part.state()),
      ...prefixed(embeddingTables(adapter.layers, config)),
      ...prefixed(biases?.state()),
    }),
    enable: (on) => {
      for (const part of parts) part.enable(on);
      biases?.enable(on);
    },
    detach: ({ keepMerged = false } = {}) => {
      for (const layer of Object.values(adapter.layers))
        if (isA(layer, LoraLinear)) keepMerged ? layer.forgetBase(name) : layer.restoreBase(name);
      biases?.detach(keepMerged);
      for (const part of parts) part.detach({ keepMerged });
      if (!keepMerged) undo();
    },
    merge: (options) => {
      const done: LayerAdapter[] = [];
      try {
        for (const part of parts) {
          part.merge(options);
          done.push(part);
        }
      } catch (error) {
        for (const part of done) part.unmerge();
        throw error;
      }
    },
    unmerge: () => {
      for (const part of parts) part.unmerge();
    },
    route: (rows) => {
      if (rows?.includes(name) && config.use_dora) throw new Error(`adapter_names cannot be used with DoRA adapters ("${name}")`);
      if (rows?.includes(name) && tokens.length > 0)
        throw new Error(`adapter_names cannot be used with trainable_token_indices ("${name}")`);
      if (biases && rows?.some((row) => row !== name)) throw new Error(`adapter_names cannot be used with trained biases ("${name}")`);
      for (const part of parts) part.route?.(rows);
    },
  };
}

function wrapLayer(module: Module, key: string): LoraLayer {
  if (isA(module, Linear) || isA(module, Conv1D)) return new LoraLinear(module);
  if (isA(module, Embedding)) return new LoraEmbedding(module);
  if (isA(module, Conv2d)) return new LoraConv2d(module);
  throw new Error(`target module "${key}" cannot be adapted: only Linear, Conv1D, Embedding and Conv2d layers can`);
}

function settingsOf(config: LoraConfig, key: string): LayerSettings {
  const r = resolvePattern(config.rank_pattern, key) ?? config.r;
  const alpha = resolvePattern(config.alpha_pattern, key) ?? config.lora_alpha;
  return {
    r,
    scaling: alpha / (config.use_rslora ? Math.sqrt(r) : r),
    dropout: config.lora_dropout,
    init: config.init_lora_weights,
    use_dora: config.use_dora,
    lora_bias: config.lora_bias,
  };
}

const changesBase = ({ init_lora_weights: init }: LoraConfig) => typeof init === 'string' && /^(pissa|olora)/.test(init);

/** Whole tables of adapted embeddings are saved, too, where the targets name them as Python PEFT expects. */
function embeddingTables(layers: Readonly<Record<string, LoraLayer>>, { target_modules: targets }: LoraConfig): Record<string, Parameter> {
  if (!['embed_tokens', 'lm_head'].some((name) => targets?.includes(name))) return {};
  const tables = Object.entries(layers).filter(([key]) => /(^|\.)(embed_tokens|lm_head)$/.test(key));
  return Object.fromEntries(
    tables.flatMap(([key, layer]) => {
      const bias = (layer.base_layer as { bias?: Parameter | null }).bias;
      return [[`${key}.base_layer.weight`, layer.base_layer.weight] as const, ...(bias ? [[`${key}.base_layer.bias`, bias] as const] : [])];
    }),
  );
}

/** Puts the trained token rows into the embedding layers, and into a head that is tied to one. */
function trainTokens(base: BaseModel, config: LoraConfig, name: string): LayerAdapter[] {
  if (config.trainable_token_indices === null) return [];
  const wanted = Array.isArray(config.trainable_token_indices) ? { '': config.trainable_token_indices } : config.trainable_token_indices;
  return Object.entries(wanted).map(([target, indices]) => {
    const input = base.inputEmbeddings?.();
    const key = [...namedModules(base)].find(([path, module]) =>
      target === '' ? (input ? module === input : path.endsWith('embed_tokens')) : path === target || path.endsWith(`.${target}`),
    )?.[0];
    if (key === undefined) throw new Error(`trainable_token_indices: there is no embedding "${target || 'embed_tokens'}" in this model`);
    if ((config.modules_to_save ?? []).some((saved) => key.endsWith(saved)))
      throw new Error(`"${key}" stands in both trainable_token_indices and modules_to_save: keep one of them`);
    const module = getModule(base, key);
    const wrapper = isA(module, TrainableTokensWrapper) ? module : isA(module, Embedding) ? new TrainableTokensWrapper(module) : undefined;
    if (!wrapper) throw new Error(`trainable_token_indices can be used on an embedding only, and "${key}" is none (or is adapted already)`);
    const head = base.outputEmbeddings?.();
    const headKey =
      isA(head, Linear) && head.weight === wrapper.token_adapter.base_layer.weight
        ? [...namedModules(base)].find(([, other]) => other === head)?.[0]
        : undefined;
    const layer = wrapper.token_adapter;
    layer.add(name, indices);
    if (module !== wrapper) replaceModule(base, key, wrapper);
    if (headKey !== undefined) replaceModule(base, headKey, new TiedTokensHead(head as Linear, layer));
    const adapter = adaptLayers(base, name, { keys: [`${key}.token_adapter`], wrap: () => layer, add: () => undefined });
    return {
      ...adapter,
      detach: (options) => {
        adapter.detach(options);
        if (layer.adapters.length > 0) return;
        replaceModule(base, key, layer.base_layer);
        if (headKey === undefined) return;
        const tied = (getModule(base, headKey) as TiedTokensHead).base_layer;
        // The head was tied to the table and stays so, also to a merged one.
        (tied as { weight: Parameter }).weight = layer.base_layer.weight;
        replaceModule(base, headKey, tied);
      },
    };
  });
}

/** In memory DoRA's magnitude is the weight of a module of its own; in the file it is not. */
const inMemory = (named: Record<string, Parameter>): Record<string, Parameter> =>
  Object.fromEntries(
    Object.entries(named).map(([name, parameter]) => [
      name.replace(/\.lora_magnitude_vector$/, '.lora_magnitude_vector.weight'),
      parameter,
    ]),
  );
