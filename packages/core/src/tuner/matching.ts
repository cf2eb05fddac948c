import { Conv1D } from '../layers/Conv1D';
import { Conv2d } from '../layers/Conv2d';
import { Embedding } from '../layers/Embedding';
import { Linear } from '../layers/Linear';
import { isA } from '../module/brand';
import { type Module, namedModules } from '../module/Module';
import { warn } from '../warn';
import type { BaseModel } from './BaseModel';
import { NoMatchingModulesError } from './errors';
import { fullMatch, pythonRegex } from './pythonRegex';

/** The fields of a config that say which modules it means. */
export interface TargetSpec {
  target_modules?: string | readonly string[] | null;
  exclude_modules?: string | readonly string[] | null;
  modules_to_save?: readonly string[] | null;
  layers_to_transform?: number | readonly number[] | null;
  layers_pattern?: string | readonly string[] | null;
}

const endsWithName = (key: string, name: string) => key === name || key.endsWith(`.${name}`);

/** The layer under an adapter layer, or the module itself. */
const unwrapped = (module: Module): Module => (module as { base_layer?: Module }).base_layer ?? module;

/** Modules that a method may look at: all but what lies within adapter layers. */
function candidates(base: Module): [string, Module][] {
  const inside: string[] = [];
  return [...namedModules(base)].filter(([key, module]) => {
    if (key === '' || inside.some((outer) => key.startsWith(outer))) return false;
    if ('base_layer' in module) inside.push(`${key}.`);
    return true;
  });
}

/**
 * Keys of the modules that a config means, in the order of the model; the rules are Python PEFT's, one by one.
 * Errors: `NoMatchingModulesError` where nothing matches.
 */
export function matchModules(base: Module, spec: TargetSpec): string[] {
  const { target_modules: targets, exclude_modules: exclude, modules_to_save: saved } = spec;
  const excluded: string[] = [];
  const missed: string[] = [];
  const matched = candidates(base).filter(([key]) => {
    if (isExcluded(key, exclude)) {
      excluded.push(key);
      return false;
    }
    if (matchesHead(key, saved ?? []) || targets === null || targets === undefined) return false;
    if (typeof targets === 'string') return fullMatch(targets, key);
    // An exact name counts whatever layers_to_transform says.
    if (targets.includes(key)) return true;
    if (!targets.some((name) => key.endsWith(`.${name}`))) return false;
    if (isInLayers(key, spec)) return true;
    missed.push(key);
    return false;
  });
  const hasExclusions = exclude !== null && exclude !== undefined && exclude.length > 0;
  if (matched.length === 0) throw new NoMatchingModulesError(explain(base, spec, excluded, missed));
  if (hasExclusions && excluded.length === 0) warn(`exclude_modules ${JSON.stringify(exclude)} excludes nothing in this model`);
  return matched.map(([key]) => key);
}

function isExcluded(key: string, exclude: TargetSpec['exclude_modules']): boolean {
  if (!exclude) return false;
  return typeof exclude === 'string' ? fullMatch(exclude, key) : exclude.some((name) => endsWithName(key, name));
}

/** Whether a module is, or lies within, one that is trained as a whole. */
export function matchesHead(key: string, modulesToSave: readonly string[]): boolean {
  return modulesToSave.some((name) => new RegExp(`^(?:^|.*\\.)${pythonRegex(name).source}(?:$|\\..*)`).test(key));
}

function isInLayers(key: string, { layers_to_transform: layers, layers_pattern: pattern }: TargetSpec): boolean {
  if (layers === null || layers === undefined || (Array.isArray(layers) && layers.length === 0)) return true;
  const patterns = typeof pattern === 'string' ? [pattern] : (pattern ?? []);
  const expressions =
    patterns.length === 0 || (patterns.length === 1 && patterns[0] === '')
      ? [/^.*?\.[^.]*\.(\d+)\./]
      : patterns.map((name) => new RegExp(`^(?:^|.*?\\.)${pythonRegex(name).source}\\.(\\d+)\\.`));
  for (const expression of expressions) {
    const found = expression.exec(key);
    if (found) return (typeof layers === 'number' ? [layers] : (layers as readonly number[])).includes(Number(found[1]));
  }
  return false;
}

function explain(base: Module, spec: TargetSpec, excluded: readonly string[], missed: readonly string[]): string {
  const { target_modules: targets, layers_to_transform: layers, layers_pattern: pattern } = spec;
  if (targets === null || targets === undefined || targets.length === 0) return 'target_modules names no module: name the layers to adapt';
  const adaptable = candidates(base).filter(([, module]) =>
    [Linear, Conv1D, Embedding, Conv2d].some((type) => isA(unwrapped(module), type as typeof Linear)),
  );
  const names = [...new Set(adaptable.map(([key]) => key.split('.').at(-1) as string))];
  const notes = [
    excluded.length > 0 && `${excluded.length} modules were excluded by exclude_modules`,
    missed.length > 0 &&
      `${missed.length} modules with such names are not in layers_to_transform ${JSON.stringify(layers)}${pattern ? ` of layers_pattern ${JSON.stringify(pattern)}` : ''}`,
    typeof targets === 'string' && 'one string is a regular expression for whole names: for name endings give a list',
  ].filter((note) => note !== false);
  return [`target_modules ${JSON.stringify(targets)} match nothing; layers here: ${names.join(', ') || 'none'}`, ...notes].join('. ');
}

/**
 * What "all-linear" stands for: every linear layer but the output embedding and the task's head. Python PEFT takes in the heads
 * of token classification and question answering, and then fails on them.
 */
export function resolveAllLinear(
  base: BaseModel,
  { modules_to_save = null }: { modules_to_save?: readonly string[] | null } = {},
): string[] {
  const output = base.outputEmbeddings?.();
  const heads = [...(modules_to_save ?? []), 'score', 'classifier', 'qa_outputs'];
  return candidates(base)
    .filter(
      ([key, module]) =>
        (isA(unwrapped(module), Linear) || isA(unwrapped(module), Conv1D)) && module !== output && !matchesHead(key, heads),
    )
    .map(([key]) => key)
    .sort();
}

/** The shortest name endings that mean the targets and none of the others. */
export function condenseTargets(targets: readonly string[], others: readonly string[]): string[] {
  const endings = (key: string) => {
    const parts = key.split('.');
    return parts.map((_, i) => parts.slice(parts.length - 1 - i).join('.'));
  };
  const taken = new Set(others.flatMap(endings));
  const chosen = new Set<string>();
  // The first ending that no other module has means this target, too, if it was chosen before.
  for (const target of [...targets].sort()) {
    const own = endings(target);
    if (own.some((ending) => chosen.has(ending))) continue;
    const ending = own.find((candidate) => !taken.has(candidate));
    if (ending === undefined) return [...targets].sort();
    chosen.add(ending);
  }
  return [...chosen].sort();
}

/** The value of the first pattern, in order, that describes the module's name or its end. */
export function resolvePattern<T>(patterns: Readonly<Record<string, T>>, key: string): T | undefined {
  for (const [pattern, value] of Object.entries(patterns)) {
    const { source, flags } = pythonRegex(pattern);
    if (new RegExp(`^(?:.*\\.)?(?:${source})$`, flags).test(key)) return value;
  }
  return undefined;
}
