import { folderSink, readJson, type Source } from '@peft/core';

/** Beside an adapter: how it was trained, as a file for `--config`. */
export const TRAIN_SETTINGS = 'train_settings.json';

export interface TrainSettings {
  /** The names of the classes, in their order. */
  labels?: string[];
  [option: string]: unknown;
}

/** How an adapter was trained; nothing where that is not written there. */
export async function readTrainSettings(source: Source): Promise<TrainSettings> {
  if (!(await source.has(TRAIN_SETTINGS))) return {};
  const file = (await readJson(source, TRAIN_SETTINGS)) as TrainSettings;
  const { labels } = file;
  if (labels !== undefined && !(Array.isArray(labels) && labels.every((name) => typeof name === 'string')))
    throw new Error(`${TRAIN_SETTINGS} in ${source.describe} has labels that are no list of names`);
  return file;
}

/** Writes the settings of a training. */
export async function writeTrainSettings(folder: string, settings: TrainSettings): Promise<void> {
  const isSaid = (value: unknown) => value !== undefined && value !== false && !(typeof value === 'object' && isEmpty(value));
  const given = Object.entries(settings).filter(([, value]) => isSaid(value));
  await folderSink(folder).write(TRAIN_SETTINGS, `${JSON.stringify(Object.fromEntries(given), null, 2)}\n`);
}

const isEmpty = (value: object | null) => Object.keys(value ?? {}).length === 0;
