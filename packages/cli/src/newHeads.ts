import { namedModules, openCheckpoint, type Source } from '@peft/core';
import type { PretrainedModel } from '@peft/models';

/** Parts of heads beside those that every adapter for classification trains and saves. */
const PARTS = ['pre_classifier', 'classification_head', 'pooler'];

/**
 * The parts of a classifier's head that the base's files do not hold: they start by chance, so an adapter that does not bring
 * them would compute something else whenever it is loaded.
 */
export async function newHeads(base: PretrainedModel, source: Source): Promise<string[]> {
  const modules = [...namedModules(base)].map(([path]) => path.split('.').at(-1));
  const keys = [...(await openCheckpoint(source, 'model')).keys()];
  return PARTS.filter((name) => modules.includes(name) && !keys.some((key) => key.split('.').includes(name)));
}
