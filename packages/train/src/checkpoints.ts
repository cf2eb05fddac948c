import { folder, folderSink, readJson, writeSafetensors } from '@peft/core';
import { openFolders } from './folders';
import type { Optimizer } from './Optimizer';
import { readOptimizerFile, writeOptimizerFile } from './optimizerFile';
import type { TrainableModel } from './TrainableModel';
import type { TrainerState } from './TrainerState';
import { readTrainingState, TRAINING_STATE } from './trainingStateFile';

const NAME = /^checkpoint-(\d+)$/;
const UNFINISHED = /^\.checkpoint-\d+\.unfinished$/;

/** Writes `checkpoint-<step>` in a folder and returns that name: a crash leaves a whole checkpoint or none. */
export async function saveCheckpoint(where: string, model: TrainableModel, optimizer: Optimizer, state: TrainerState): Promise<string> {
  const folders = await openFolders();
  for (const name of await folders.list(where)) if (UNFINISHED.test(name)) await folders.remove(folders.join(where, name));
  const name = `checkpoint-${state.global_step}`;
  const unfinished = folders.join(where, `.${name}.unfinished`);
  await model.savePretrained(unfinished);
  const sink = folderSink(unfinished);
  await sink.write('optimizer.safetensors', writeOptimizerFile(optimizer.state()));
  const more = model.trainingState?.() ?? {};
  if (Object.keys(more).length > 0) await sink.write(TRAINING_STATE, writeSafetensors(more));
  await sink.write('trainer_state.json', `${JSON.stringify(state, null, 2)}\n`);
  await folders.remove(folders.join(where, name));
  await folders.rename(unfinished, folders.join(where, name));
  return name;
}

/** Puts a checkpoint's weights, and what its training needs beyond them, into the model's active adapters. */
export async function loadWeights(where: string, model: TrainableModel): Promise<void> {
  const { join } = await openFolders();
  const source = folder(where);
  const more = (await source.has(TRAINING_STATE)) ? await readTrainingState(source) : undefined;
  for (const name of model.activeAdapters)
    await model.loadAdapter(name === 'default' ? where : join(where, name), name, { isTrainable: true, continues: more !== undefined });
  if (more) model.loadTrainingState?.(more);
}

/** Puts weights and moments back and returns where the training stood. */
export async function loadCheckpoint(where: string, model: TrainableModel, optimizer: Optimizer): Promise<TrainerState> {
  const source = folder(where);
  const state = (await readJson(source, 'trainer_state.json')) as TrainerState;
  if (typeof state.global_step !== 'number' || !Array.isArray(state.generator) || !state.data || !state.scheduler)
    throw new Error(
      `trainer_state.json in ${where} was not written by this Trainer: training cannot go on from it exactly; load its adapter and start anew`,
    );
  const parameters = await readOptimizerFile(source, 'optimizer.safetensors');
  await loadWeights(where, model);
  optimizer.load({ lr: optimizer.lr, parameters });
  return state;
}

/** The checkpoints of a folder, oldest first. */
export async function listCheckpoints(where: string): Promise<string[]> {
  const { list } = await openFolders();
  const step = (name: string) => Number(NAME.exec(name)?.[1]);
  return (await list(where)).filter((name) => NAME.test(name)).sort((a, b) => step(a) - step(b));
}

/** The path of the newest checkpoint of a folder. Errors: where there is none */
export async function lastCheckpoint(where: string): Promise<string> {
  const name = (await listCheckpoints(where)).at(-1);
  if (name === undefined) throw new Error(`there is no checkpoint in ${where} to resume from`);
  return (await openFolders()).join(where, name);
}

/** Deletes the oldest checkpoints until `limit` are left, but never those named in `kept`. */
export async function rotateCheckpoints(where: string, limit: number, kept: readonly (string | null)[]): Promise<void> {
  const folders = await openFolders();
  const all = await listCheckpoints(where);
  const spare = all.filter((name) => !kept.includes(name));
  for (const name of spare.slice(0, Math.max(0, all.length - limit))) await folders.remove(folders.join(where, name));
}
