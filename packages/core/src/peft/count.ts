import { isA } from '../module/brand';
import { type Module, namedModules, namedParameters } from '../module/Module';
import type { Parameter } from '../module/Parameter';
import { ModulesToSaveWrapper } from './ModulesToSave';

const total = (all: Iterable<Parameter>) =>
  [...all].reduce((sum, { role, size }) => sum + (role === 'weight' || role === 'constant' ? size : 0), 0);

/** [trainable, all] of a model with its adapters; a trained copy of a module counts instead of the module. */
export function countParameters(
  base: Module,
  adapters: readonly { parameters(): Record<string, Parameter> }[],
): [trainable: number, all: number] {
  const replaced = [...namedModules(base)]
    .filter(([, module]) => isA(module, ModulesToSaveWrapper))
    .map(([key]) => `${key}.original_module.`);
  const counted = [...namedParameters(base)]
    .filter(([name]) => !replaced.some((prefix) => name.startsWith(prefix)))
    .map(([, parameter]) => parameter);
  const all = new Set([...counted, ...adapters.flatMap((adapter) => Object.values(adapter.parameters()))]);
  return [total([...all].filter((parameter) => parameter.trainable)), total(all)];
}

/** The line of PEFT's guides: whole numbers, and the percentage with all its digits. */
export function formatCount(trainable: number, all: number): string {
  const percent = all === 0 ? 0 : (100 * trainable) / all;
  return `trainable params: ${trainable} || all params: ${all} || trainable%: ${Number.isInteger(percent) ? `${percent}.0` : percent}`;
}
