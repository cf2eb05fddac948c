import { namedModules } from '../module/Module';
import type { BaseModel } from './BaseModel';
import { condenseTargets, resolveAllLinear } from './matching';

interface Targets {
  target_modules: string | string[] | null;
  modules_to_save?: string[] | null;
}

/**
 * What a config's target_modules stand for on a model: a default by `model_type` where none are named, all linear layers
 * for `"all-linear"`, sorted without duplicates, and 20 or more shortened to endings that mean the same, as Python PEFT saves them.
 */
export function resolveTargets(
  base: BaseModel,
  { target_modules, modules_to_save = null }: Targets,
  defaults: Readonly<Record<string, readonly string[] | string>>,
  { condense = true } = {},
): string | string[] {
  const type = base.config?.model_type;
  const known = type !== undefined && Object.hasOwn(defaults, type) ? defaults[type] : undefined;
  let targets = target_modules ?? (typeof known === 'string' ? known : known && [...known]);
  if (targets === undefined)
    throw new Error(`there are no default target_modules for model_type "${type}": name the layers to adapt in target_modules`);
  if (typeof targets === 'string' && targets.toLowerCase() === 'all-linear') targets = resolveAllLinear(base, { modules_to_save });
  if (typeof targets === 'string') return targets;
  const wanted = [...new Set(targets)].sort();
  if (!condense || wanted.length < 20) return wanted;
  const others = [...namedModules(base)].map(([key]) => key).filter((key) => key !== '' && !wanted.includes(key));
  return condenseTargets(wanted, others);
}
