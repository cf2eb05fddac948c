import type { TensorToWrite } from '../files/safetensors';
import type { Parameter } from '../module/Parameter';

/** Copies of parameters' values by name: the training state of a method whose file holds only what it computes from them. */
export const writeTrainedValues = (named: Readonly<Record<string, Parameter>>): Record<string, TensorToWrite> =>
  Object.fromEntries(
    Object.entries(named).map(([name, { shape, value }]) => [
      name,
      { dtype: 'F32', shape: [...shape], data: value.dataSync<'float32'>().slice() },
    ]),
  );

/** Puts them back. Errors: what is missing or has another shape, all at once; nothing is changed then. */
export function readTrainedValues(named: Readonly<Record<string, Parameter>>, state: Readonly<Record<string, TensorToWrite>>): void {
  const wrong = Object.entries(named).flatMap(([name, { shape }]) => {
    const own = state[name]?.shape ?? 'missing';
    return String(own) === String(shape) ? [] : [`${name} is [${own}] and must be [${shape}]`];
  });
  if (wrong.length > 0) throw new Error(`this training state does not fit the adapter: ${wrong.join('; ')}`);
  for (const [name, parameter] of Object.entries(named)) parameter.set((state[name] as TensorToWrite).data as Float32Array);
}
