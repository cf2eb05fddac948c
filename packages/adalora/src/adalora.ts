import {
  type Adapter,
  AdapterLayer,
  type AttachContext,
  adaptLayers,
  add,
  type BaseModel,
  Conv1D,
  Conv2d,
  fanInFanOut,
  isA,
  Linear,
  type Module,
  matchModules,
  namedModules,
  type Parameter,
  resolveTargets,
  type TrainedBiases,
  type Tuner,
  trainBiases,
} from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import { AdaLoraLayer } from './AdaLoraLayer';
import { allocation } from './allocation';
import { type AdaLoraConfig, adaLoraFields, checkUnused, validateAdaLoraConfig } from './config';
import { orthogonality } from './orthogonality';
import { masksByLayer, positions } from './ranks';
import { defaultTargets } from './targets';

/** AdaLoRA's adapter on a model. */
export interface AdaLoraAdapter extends Adapter<BaseModel> {
  readonly layers: Readonly<Record<string, AdaLoraLayer>>;
  merge(options?: { safe?: boolean }): void;
  unmerge(): void;
  /**
   * Measures how important each singular value is and cuts the least important ones when the schedule says so. A loop of one's
   * own calls it after the optimizer's step and before `zeroGrad()`; `Trainer` does so by itself.
   * @param step counted from 1, up to total_step @param gradients the optimizer's, by parameter name
   * @returns how many singular values there may be in all, or nothing once the ranks are final (from total_step − tfinal on)
   * Errors: parameters without a gradient
   */
  updateAndAllocate(step: number, gradients: Readonly<Record<string, tf.Tensor>>): number | undefined;
}

export type AdaLora = Tuner<AdaLoraConfig, BaseModel, AdaLoraAdapter, never>;

/** The method AdaLoRA; pass it where adapters are loaded. A config made by `adaLoraConfig` carries it. */
export const adaLora: AdaLora = {
  type: 'ADALORA',
  fields: adaLoraFields,
  validate: validateAdaLoraConfig,
  resolve: (config, base) => ({ ...config, target_modules: resolveTargets(base, config, defaultTargets) }),
  attach: attachAdaLora,
};

function attachAdaLora(base: BaseModel, config: AdaLoraConfig, name: string, { inference }: AttachContext): AdaLoraAdapter {
  checkUnused(config);
  checkOthers(base, config, inference);
  const keys = matchModules(base, config);
  config.fan_in_fan_out = fanInFanOut(base, keys, config.fan_in_fan_out);
  const masks = masksByLayer(config.rank_pattern, keys, config.init_r);
  const kept = new Map(keys.map((key) => [key, positions(masks[key], config.init_r)]));
  // Rows of a batch with adapters of their own are refused: `route` is left out.
  const { route, ...adapter } = adaptLayers<AdaLoraLayer>(base, name, {
    keys,
    wrap: wrapLayer,
    add: (layer, key) => layer.add(name, (kept.get(key) as number[]).length, { ...config, inference }),
  });
  let biases: TrainedBiases | undefined;
  try {
    biases = config.bias === 'none' ? undefined : trainBiases(base, name, config.bias === 'all' ? 'all' : 'adapted');
  } catch (error) {
    adapter.detach();
    throw error;
  }
  const { keyPrefix } = adapter;
  const prefixed = (entries: Readonly<Record<string, Parameter>> = {}) =>
    Object.fromEntries(Object.entries(entries).map(([key, parameter]) => [keyPrefix + key, parameter]));
  const { update, stateToSave, ...ranks } = allocation(adapter.layers, name, config, kept);
  const updateAndAllocate: AdaLoraAdapter['updateAndAllocate'] = (step, gradients) =>
    // Where several adapters are active, names begin with the adapter's.
    update(step, (key) => gradients[keyPrefix + key] ?? gradients[`${name}:${keyPrefix}${key}`]);
  return {
    ...adapter,
    ...ranks,
    updateAndAllocate,
    afterOptimizerStep: updateAndAllocate,
    parameters: () => ({ ...adapter.parameters(), ...prefixed(biases?.parameters()) }),
    state: () => ({ ...adapter.state(), ...prefixed(biases?.state()) }),
    stateToSave: () => prefixed({ ...stateToSave(), ...biases?.state() }),
    enable: (on) => {
      adapter.enable(on);
      biases?.enable(on);
    },
    detach: ({ keepMerged = false } = {}) => {
      biases?.detach(keepMerged);
      adapter.detach({ keepMerged });
    },
    wrap: (forward) => withOrthogonality(forward, Object.values(adapter.layers), name, config.orth_reg_weight),
  };
}

/** Errors: what else is on the model does not go with another adapter. */
function checkOthers(base: BaseModel, { bias }: AdaLoraConfig, inference: boolean): void {
  const present = [...namedModules(base)].flatMap(([, module]) => (isA(module, AdapterLayer) ? [module] : []));
  if (present.some((layer) => layer.merged.length > 0))
    throw new Error('adapters are merged: call unmergeAdapter() before adding another one');
  if (bias !== 'none' && present.length > 0)
    throw new Error('only one adapter of a model can train biases, and it must be the first: set bias to "none"');
  const settings = present.flatMap((layer) => (isA(layer, AdaLoraLayer) ? Object.entries(layer.settings) : []));
  const trained = settings.find(([, other]) => !other.inference)?.[0];
  if (!inference && trained !== undefined)
    throw new Error(`only one AdaLoRA adapter of a model can be trained, and "${trained}" is: set inference_mode to true for the others`);
}

function wrapLayer(module: Module, key: string): AdaLoraLayer {
  if (isA(module, Linear) || isA(module, Conv1D) || isA(module, Conv2d)) return new AdaLoraLayer(module);
  throw new Error(`target module "${key}" cannot be adapted: only Linear, Conv1D and Conv2d layers can`);
}

/** Adds to a loss, wherever there is one, how far the adapter's vectors are from orthonormal. */
function withOrthogonality(
  forward: (input: never) => unknown,
  layers: readonly AdaLoraLayer[],
  name: string,
  weight: number,
): (input: never) => unknown {
  if (weight === 0) return forward;
  return (input) => {
    const output = forward(input) as { loss?: tf.Scalar };
    if (!output.loss) return output;
    const triplets = layers.map((layer) => layer.of(name));
    const penalty = orthogonality(
      triplets.map(({ lora_A }) => lora_A),
      triplets.map(({ lora_B }) => lora_B),
      weight,
    );
    return { ...output, loss: add(output.loss, penalty) };
  };
}
