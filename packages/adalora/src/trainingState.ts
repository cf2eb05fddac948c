import type { Parameter, TensorToWrite } from '@peft/core';
import { type Importance, type Matrix, PARTS, partName } from './rankAllocator';

/**
 * What the adapter's file lacks: the singular values and vectors that are cut for now, whose place is `kept`, and the
 * importances. By matrix: `NAME.kept`, and by part `NAME`, `NAME.exp_avg_ipt`, `NAME.exp_avg_unc`.
 */
export function writeTrainingState(
  matrices: readonly Matrix[],
  importances: ReadonlyMap<string, Importance>,
): Record<string, TensorToWrite> {
  const state: Record<string, TensorToWrite> = {};
  for (const matrix of matrices) {
    state[`${matrix.name}.kept`] = { dtype: 'I32', shape: [matrix.kept.length], data: Int32Array.from(matrix.kept) };
    for (const part of PARTS) {
      const { shape, value } = matrix[part];
      const name = partName(matrix, part);
      state[name] = { dtype: 'F32', shape, data: value.dataSync<'float32'>().slice() };
      for (const [field, data] of Object.entries(importances.get(name) ?? {}))
        state[`${name}.${field}`] = { dtype: 'F32', shape, data: (data as Float32Array).slice() };
    }
  }
  return state;
}

interface TrainingState {
  /** By matrix name. */
  kept: Record<string, number[]>;
  importances: Map<string, Importance>;
  /** For a matrix's parameters, which have the right shapes by now. */
  valuesOf(matrix: Matrix): [Parameter, Float32Array][];
}

/** Errors: what is missing or has another shape, all at once. */
export function readTrainingState(
  state: Readonly<Record<string, TensorToWrite>>,
  matrices: readonly Matrix[],
  init_r: number,
): TrainingState {
  const wrong: string[] = [];
  const kept: Record<string, number[]> = {};
  const importances = new Map<string, Importance>();
  for (const matrix of matrices) {
    const places = [...(state[`${matrix.name}.kept`]?.data ?? [])];
    kept[matrix.name] = places;
    if (places.some((place) => place < 0 || place >= init_r)) wrong.push(`${matrix.name}.kept names places beyond init_r ${init_r}`);
    for (const part of PARTS) {
      const name = partName(matrix, part);
      const wide = matrix[part].shape.map((n, axis) => (axis === (part === 'lora_B' ? 1 : 0) ? places.length : n));
      const check = (key: string) => {
        const tensor = state[key];
        if (String(tensor?.shape) !== String(wide)) wrong.push(`${key} is [${tensor?.shape ?? 'missing'}] and must be [${wide}]`);
        return tensor?.data as Float32Array;
      };
      check(name);
      if (`${name}.exp_avg_ipt` in state)
        importances.set(name, { exp_avg_ipt: check(`${name}.exp_avg_ipt`).slice(), exp_avg_unc: check(`${name}.exp_avg_unc`).slice() });
    }
  }
  if (wrong.length > 0) throw new Error(`this training state does not fit the adapter: ${wrong.join('; ')}`);
  return {
    kept,
    importances,
    valuesOf: (matrix) => PARTS.map((part) => [matrix[part], (state[partName(matrix, part)] as TensorToWrite).data as Float32Array]),
  };
}
