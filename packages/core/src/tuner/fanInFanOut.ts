import { Conv1D } from '../layers/Conv1D';
import { Linear } from '../layers/Linear';
import { isA } from '../module/brand';
import { getModule, type Module } from '../module/Module';
import { AdapterLayer } from './AdapterLayer';

/**
 * Whether weights are stored [in, out]: as in Python PEFT the last linear layer among the adapted ones decides.
 * @param keys the layers to adapt @param fallback where none of them is linear
 */
export function fanInFanOut(base: Module, keys: readonly string[], fallback: boolean): boolean {
  const layers = keys.map((key) => getModule(base, key)).map((module) => (isA(module, AdapterLayer) ? module.base_layer : module));
  const last = layers.filter((layer) => isA(layer, Linear) || isA(layer, Conv1D)).at(-1);
  return last === undefined ? fallback : isA(last, Conv1D);
}
