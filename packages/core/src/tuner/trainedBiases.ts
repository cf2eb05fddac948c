import { isA } from '../module/brand';
import { type Module, namedModules, namedParameters } from '../module/Module';
import { Parameter } from '../module/Parameter';
import { AdapterLayer } from './AdapterLayer';

/** Copies of the base model's biases that one adapter trains. */
export interface TrainedBiases {
  /** By name in the model. */
  parameters(): Record<string, Parameter>;
  /** By name in an adapter file, without prefix. */
  state(): Record<string, Parameter>;
  enable(on: boolean): void;
  detach(keep: boolean): void;
}

/**
 * Gives an adapter biases of its own, which stand in the model while the adapter is on; so, unlike in Python PEFT, the
 * disabled adapter leaves the base's outputs as they were.
 * @param which all biases of the model, or those of adapted layers
 */
export function trainBiases(base: Module, adapter: string, which: 'all' | 'adapted'): TrainedBiases {
  const adapterLayers = [...namedModules(base)].flatMap(([, module]) => (isA(module, AdapterLayer) ? [module] : []));
  const adapted = new Set(adapterLayers.map((layer) => layer.base_layer as Module));
  const biases = [...namedModules(base)].flatMap(([, module]) =>
    Object.entries(module)
      .filter(([name, value]) => name === 'bias' && isA(value, Parameter) && (which === 'all' || adapted.has(module)))
      .map(([, original]) => ({
        module: module as Module & { bias: Parameter },
        original: original as Parameter,
        own: frozenCopy(original as Parameter),
      })),
  );
  const place = (on: boolean) => {
    for (const { module, original, own } of biases) module.bias = on ? own : original;
  };
  place(true);
  const named = () => {
    const paths = new Map([...namedModules(base)].map(([path, module]) => [module, path]));
    return biases.flatMap(({ module, own }) => (paths.has(module) ? [[`${paths.get(module)}.bias`, own] as const] : []));
  };
  return {
    // The original of a module that is trained as a whole stays frozen.
    parameters: () => Object.fromEntries(named().filter(([name]) => !name.includes('.original_module.'))),
    state: () => {
      if (which === 'adapted') return Object.fromEntries(named());
      // As in Python PEFT: everything in the model whose name speaks of a bias, without the adapter's name.
      const own = new Map<string, Parameter>(named());
      const ofAdapters = new Set(
        adapterLayers.flatMap((layer) => layer.adapters.flatMap((name) => Object.values(layer.adapterParameters(name)))),
      );
      const others = [...namedParameters(base)].filter(
        ([name, parameter]) => name.endsWith('.bias') && !own.has(name) && !ofAdapters.has(parameter),
      );
      const mine = others.filter(([name]) => !name.includes('.modules_to_save.') || name.includes(`.modules_to_save.${adapter}.`));
      return Object.fromEntries([
        ...own,
        ...mine.map(([name, parameter]) => [name.replace(`.modules_to_save.${adapter}.`, '.modules_to_save.'), parameter] as const),
      ]);
    },
    enable: place,
    detach: (keep) => {
      place(keep);
      for (const { original, own } of biases) (keep ? original : own).dispose();
    },
  };
}

/** Which copies are trained is said later. */
function frozenCopy(original: Parameter): Parameter {
  const copy = original.clone();
  copy.trainable = false;
  return copy;
}
