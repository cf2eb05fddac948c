import { kind } from '../module/brand';
import type { AdapterLayer } from '../tuner/AdapterLayer';
import type { BaseModel } from '../tuner/BaseModel';
import type { AnyTuner } from '../tuner/Tuner';
import type { AttachedAdapter } from './attach';
import { countParameters } from './count';

/** The state of one adapter layer. */
export interface LayerStatus {
  name: string;
  module_type: string;
  enabled: boolean;
  active_adapters: string[];
  merged_adapters: string[];
  /** Whether an adapter's weights here are trained; `irregular` where only some are. */
  requires_grad: Record<string, boolean | 'irregular'>;
  available_adapters: string[];
}

/** The state of the whole model; `irregular` where its layers disagree. */
export interface ModelStatus {
  base_model_type: string;
  peft_types: Record<string, string>;
  trainable_params: number;
  total_params: number;
  num_adapter_layers: number;
  enabled: boolean | 'irregular';
  active_adapters: string[] | 'irregular';
  merged_adapters: string[] | 'irregular';
  requires_grad: Record<string, boolean | 'irregular'>;
  available_adapters: string[];
}

interface StatusInput {
  readonly base: BaseModel;
  readonly adapters: ReadonlyMap<string, AttachedAdapter<AnyTuner>>;
  readonly enabled: boolean;
  readonly active: readonly string[];
  readonly merged: readonly string[];
}

const agreed = <T>(values: readonly T[]): T | 'irregular' => {
  const distinct = new Map(values.map((value) => [JSON.stringify(value), value]));
  return distinct.size === 1 ? (values[0] as T) : 'irregular';
};

/** Whether a layer's names are those of the model's that the layer has. */
const isPartOn = (layer: AdapterLayer, ofModel: readonly string[], ofLayer: readonly string[]) =>
  String(ofModel.filter((name) => layer.adapters.includes(name))) === String(ofLayer);

/** One entry an adapter layer. Errors: methods that put no layers into the model have none. */
export function layerStatus({ adapters, enabled, active }: StatusInput): LayerStatus[] {
  const layers = new Map<string, AdapterLayer>();
  for (const [name, { handle, config }] of adapters) {
    if (!handle.layers)
      throw new Error(`${config.peft_type} (adapter "${name}") puts no layers into the model, so there is no layer status`);
    for (const [key, layer] of Object.entries(handle.layers as Record<string, AdapterLayer>)) layers.set(key, layer);
  }
  return [...layers].map(([name, layer]) => ({
    name: `model.${name}`,
    module_type: (layer.constructor as unknown as { [kind]: string })[kind],
    enabled,
    // An active adapter need not be on every layer.
    active_adapters: isPartOn(layer, enabled ? active : [], layer.active) ? [...active] : [...layer.active],
    merged_adapters: [...layer.merged],
    requires_grad: Object.fromEntries(
      layer.adapters.map((adapter) => [
        adapter,
        agreed(Object.values(layer.adapterParameters(adapter)).map((parameter) => parameter.trainable)),
      ]),
    ),
    available_adapters: [...layer.adapters].sort(),
  }));
}

/** The layers' states taken together. */
export function modelStatus(input: StatusInput): ModelStatus {
  const layers = layerStatus(input);
  const modules = [...input.adapters.values()].flatMap(({ handle }) =>
    Object.values((handle.layers ?? {}) as Record<string, AdapterLayer>),
  );
  const [trainable, total] = countParameters(input.base, [...input.adapters.values()]);
  const names = [...input.adapters.keys()].sort();
  return {
    base_model_type: input.base.auto_mapping?.base_model_class ?? input.base.constructor.name,
    peft_types: Object.fromEntries([...input.adapters].map(([name, { config }]) => [name, config.peft_type as string])),
    trainable_params: trainable,
    total_params: total,
    num_adapter_layers: layers.length,
    enabled: layers.length > 0 ? agreed(layers.map((layer) => layer.enabled)) : input.enabled,
    active_adapters: layers.length > 0 ? agreed(layers.map((layer) => layer.active_adapters)) : [...input.active],
    merged_adapters: modules.every((layer) => isPartOn(layer, input.merged, layer.merged)) ? [...input.merged] : 'irregular',
    requires_grad: Object.fromEntries(
      names.map((name) => [
        name,
        agreed(layers.filter((layer) => name in layer.requires_grad).map((layer) => layer.requires_grad[name] ?? false)),
      ]),
    ),
    available_adapters: names,
  };
}
