import {
  adaptLayers,
  type BaseModel,
  Conv1D,
  Conv2d,
  fanInFanOut,
  fullMatch,
  isA,
  type LayerAdapter,
  Linear,
  matchModules,
  type NamedAdapter,
  type Parameter,
  resolveTargets,
  type Tuner,
} from '@peft/core';
import { type IA3Config, ia3Fields, validateIa3Config } from './config';
import { Ia3Layer } from './Ia3Layer';
import { defaultFeedforward, defaultTargets } from './targets';

export type Ia3 = Tuner<IA3Config, BaseModel, LayerAdapter<Ia3Layer>, Record<string, never>>;

/** The method (IA)³; pass it where adapters are loaded. A config made by `ia3Config` carries it. */
export const ia3: Ia3 = {
  type: 'IA3',
  fields: ia3Fields,
  validate: validateIa3Config,
  resolve: resolveIa3,
  attach: (base, config, name) => {
    const keys = matchModules(base, config);
    config.fan_in_fan_out = fanInFanOut(base, keys, config.fan_in_fan_out);
    return adaptLayers<Ia3Layer>(base, name, {
      keys,
      wrap: (module, key) => {
        if (isA(module, Linear) || isA(module, Conv1D) || isA(module, Conv2d))
          return new Ia3Layer(module, isFeedforward(key, config.feedforward_modules ?? []));
        throw new Error(`target module "${key}" cannot be scaled: only Linear, Conv1D and Conv2d layers can`);
      },
      add: (layer, key) => {
        if (layer.is_feedforward !== isFeedforward(key, config.feedforward_modules ?? []))
          throw new Error(`"${key}" is a feed-forward module for one adapter and not for another: adapters on one model must agree`);
        layer.add(name, config.init_ia3_weights);
      },
    });
  },
  combine: combineIa3,
};

function resolveIa3(config: IA3Config, base: BaseModel): IA3Config {
  const type = base.config?.model_type ?? '';
  const feedforward =
    config.feedforward_modules ??
    (Object.hasOwn(defaultFeedforward, type) ? [...(defaultFeedforward[type] as readonly string[])] : undefined);
  if (feedforward === undefined)
    throw new Error(`there are no default feedforward_modules for model_type "${type}": name them, or give an empty list`);
  return {
    ...config,
    target_modules: resolveTargets(base, config, defaultTargets, { condense: false }),
    feedforward_modules: Array.isArray(feedforward) ? [...new Set(feedforward)].sort() : feedforward,
  };
}

/** As in Python PEFT a list's entries are plain endings: BERT's `output.dense` also takes in `attention.output.dense`. */
const isFeedforward = (key: string, modules: string | readonly string[]) =>
  typeof modules === 'string' ? fullMatch(modules, key) : modules.some((ending) => key.endsWith(ending));

/** The weighted sum of the vectors; where an adapter does not scale a layer its vector is one. */
function combineIa3(sources: readonly NamedAdapter<IA3Config, LayerAdapter<Ia3Layer>>[], weights: readonly number[]) {
  const first = sources[0] as NamedAdapter<IA3Config, LayerAdapter<Ia3Layer>>;
  const whole = sources.filter(({ config }) => config.modules_to_save?.length).map(({ name }) => name);
  if (whole.length > 0) throw new Error(`adapters that train whole modules (modules_to_save) cannot be combined: ${whole.join(', ')}`);
  const union = (pick: (config: IA3Config) => string | string[] | null) => {
    const all = sources.map(({ config }) => pick(config) ?? []);
    if (all.every((entry) => Array.isArray(entry))) return [...new Set(all.flat() as string[])].sort();
    if (all.every((entry) => typeof entry === 'string')) return [...new Set(all)].map((entry) => `(${entry})`).join('|');
    throw new Error('adapters whose modules are a list cannot be combined with ones that have a regular expression');
  };
  return {
    config: {
      ...first.config,
      target_modules: union((config) => config.target_modules),
      feedforward_modules: union((config) => config.feedforward_modules),
    },
    fill: (handle: LayerAdapter<Ia3Layer>, name: string) => {
      for (const layer of Object.values(handle.layers)) {
        const target = layer.ia3_l[name] as Parameter;
        const sum = new Float32Array(target.size);
        sources.forEach((source, s) => {
          const values = layer.ia3_l[source.name]?.value.dataSync();
          for (let i = 0; i < sum.length; i++) (sum[i] as number) += (weights[s] as number) * ((values?.[i] as number | undefined) ?? 1);
        });
        target.set(sum);
      }
    },
  };
}
