import {
  adaptLayers,
  type BaseModel,
  isA,
  type LayerAdapter,
  Linear,
  makeConfig,
  matchModules,
  resolveTargets,
  type Tuned,
  type Tuner,
} from '@peft/core';
import { type NewMethodConfig, newMethodFields } from './config';
import { NewMethodLayer } from './NewMethodLayer';

export type NewMethod = Tuner<NewMethodConfig, BaseModel, LayerAdapter<NewMethodLayer>, Record<string, never>>;

/** The method; pass it where adapters are loaded, or to `registerTuner`. */
export const newMethod: NewMethod = {
  type: 'NEW_METHOD',
  fields: newMethodFields,
  resolve: (config, base) => ({ ...config, target_modules: resolveTargets(base, config, {}) }),
  attach: (base, config, name) =>
    adaptLayers<NewMethodLayer>(base, name, {
      keys: matchModules(base, config),
      wrap: (module, key) => {
        if (isA(module, Linear)) return new NewMethodLayer(module);
        throw new Error(`target module "${key}" cannot be adapted: only Linear layers can`);
      },
      add: (layer) => layer.add(name, config.init_scale),
    }),
};

/** A config: what is given, over the defaults. @example `newMethodConfig({ target_modules: ['q_proj'] })` */
export function newMethodConfig(options: Partial<NewMethodConfig> = {}): Tuned<NewMethod> {
  return makeConfig(newMethod, options);
}
