import { readSafetensors, type Source, type StoredTensor, type TensorToWrite, writeSafetensors } from '@peft/core';
import type { MomentState, OptimizerState } from './Optimizer';

const FIELDS = ['exp_avg', 'exp_avg_sq', 'step'] as const;

/** The moments as the bytes of a safetensors file: `<parameter>.exp_avg`, `.exp_avg_sq` and `.step`; the rate is the schedule's. */
export function writeOptimizerFile({ parameters }: OptimizerState): Uint8Array {
  const tensors: Record<string, TensorToWrite> = {};
  for (const [name, { step, shape, exp_avg, exp_avg_sq }] of Object.entries(parameters)) {
    tensors[`${name}.exp_avg`] = { dtype: 'F32', shape, data: exp_avg };
    tensors[`${name}.exp_avg_sq`] = { dtype: 'F32', shape, data: exp_avg_sq };
    tensors[`${name}.step`] = { dtype: 'I32', shape: [], data: Int32Array.of(step) };
  }
  return writeSafetensors(tensors);
}

/** Reads what `writeOptimizerFile` wrote. Errors: parameters whose fields are not all there. */
export async function readOptimizerFile(source: Source, path: string): Promise<OptimizerState['parameters']> {
  const file = await readSafetensors(source, path);
  const names = new Set([...file.keys()].map((key) => key.slice(0, key.lastIndexOf('.'))));
  const missing = [...names].flatMap((name) => FIELDS.map((field) => `${name}.${field}`)).filter((key) => !file.has(key));
  if (missing.length > 0) throw new Error(`${path} in ${source.describe} is no optimizer's state: it lacks ${missing.join(', ')}`);
  const read = async (name: string): Promise<[string, MomentState]> => {
    const [avg, square, step] = FIELDS.map((field) => file.get(`${name}.${field}`) as StoredTensor) as [
      StoredTensor,
      StoredTensor,
      StoredTensor,
    ];
    return [
      name,
      {
        step: (await step.data())[0] as number,
        shape: avg.shape,
        exp_avg: Float32Array.from(await avg.data()),
        exp_avg_sq: Float32Array.from(await square.data()),
      },
    ];
  };
  return Object.fromEntries(await Promise.all([...names].map(read)));
}
