import { readSafetensors, type Source, type TensorToWrite } from '@peft/core';

/** The file of what a method's training needs beyond weights and moments; not there where that is nothing. */
export const TRAINING_STATE = 'training_state.safetensors';

/** What that file holds, for `loadTrainingState`. */
export async function readTrainingState(source: Source): Promise<Record<string, TensorToWrite>> {
  const read = [...(await readSafetensors(source, TRAINING_STATE))].map(
    async ([name, { dtype, shape, data }]) => [name, { dtype, shape, data: await data() }] as const,
  );
  return Object.fromEntries(await Promise.all(read));
}
