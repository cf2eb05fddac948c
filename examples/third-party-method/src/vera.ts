import {
  AdapterLayer,
  adaptLayers,
  type BaseModel,
  Conv1D,
  getModule,
  isA,
  type LayerAdapter,
  Linear,
  type Module,
  makeConfig,
  matchModules,
  parameters,
  resolveTargets,
  type Tuned,
  type Tuner,
} from '@peft/core';
import { type VeraConfig, validateVeraConfig, veraFields } from './config';
import { Projections } from './Projections';
import { VeraLayer } from './VeraLayer';

export type Vera = Tuner<VeraConfig, BaseModel, LayerAdapter<VeraLayer>, Record<string, never>>;

/** The layers that are adapted when a config names none, by `model_type`. */
const defaultTargets = {
  bert: ['query', 'value'],
  gpt2: ['c_attn'],
  llama: ['q_proj', 'v_proj'],
  mistral: ['q_proj', 'v_proj'],
  qwen2: ['q_proj', 'v_proj'],
};

/** The method VeRA; pass it where adapters are loaded, or to `registerTuner`. */
export const vera: Vera = {
  type: 'VERA',
  fields: veraFields,
  validate: validateVeraConfig,
  resolve: (config, base) => ({ ...config, target_modules: resolveTargets(base, config, defaultTargets) }),
  attach: attachVera,
};

/** A VeRA config: what is given, over the defaults. @example `veraConfig({ r: 64, target_modules: 'all-linear' })` */
export function veraConfig(options: Partial<VeraConfig> = {}): Tuned<Vera> {
  return makeConfig(vera, options);
}

function attachVera(base: BaseModel, config: VeraConfig, name: string): LayerAdapter<VeraLayer> {
  const keys = matchModules(base, config);
  const targets = keys.map((key) => linearAt(base, key));
  config.fan_in_fan_out = isA(targets.at(-1), Conv1D);
  const largest = (sizes: number[]) => Math.max(...sizes);
  const projections = new Projections(
    config.r,
    largest(targets.map((layer) => layer.inFeatures)),
    largest(targets.map((layer) => layer.outFeatures)),
  );
  const handle = adaptLayers<VeraLayer>(base, name, {
    keys,
    wrap: (module) => new VeraLayer(module as Linear | Conv1D),
    add: (layer) => layer.add(name, config, projections),
  });
  // A base of shapes alone is counted and matched only.
  if (parameters(base).some((parameter) => parameter.ready)) projections.initialize(config.projection_prng_key);
  return {
    ...handle,
    state: () => ({
      ...handle.state(),
      ...(config.save_projection && { 'base_model.vera_A': projections.A, 'base_model.vera_B': projections.B }),
    }),
    detach: (options) => {
      handle.detach(options);
      for (const layer of Object.values(handle.layers)) layer.shared.delete(name);
      projections.dispose();
    },
  };
}

/** The linear layer at a key, also where an adapter layer stands around it. */
function linearAt(base: Module, key: string): Linear | Conv1D {
  const module = getModule(base, key);
  const layer = isA(module, AdapterLayer) ? module.base_layer : module;
  if (isA(layer, Linear) || isA(layer, Conv1D)) return layer;
  throw new Error(`target module "${key}" cannot be adapted: only Linear and Conv1D layers can`);
}
