import { type HubOptions, type Location, openSource, type Source } from '@peft/core';
import { type DataFile, fileAt, fileOf, fileOfBlob, filesSource } from './DataFile';
import type { DataRecord, ReadOptions } from './ReadOptions';
import { readFile } from './readFile';
import { dataFilesOf, filesOfPatterns, filesOfSplit } from './splits';

/** Where data is: a file, a folder, a data set of the hub (`owner/name`), files in memory, or files that a page was given. */
export type DataLocation = Location | Blob | readonly File[];

export interface DatasetOptions extends ReadOptions, Omit<HubOptions, 'repoType'> {
  /** Of a folder or data set, told by the names of its files as Hugging Face's datasets do. @default train */
  split?: string;
  /** Which files of it, instead: paths, in which `*` stands for any name and `**` for any folders. */
  files?: string | readonly string[];
}

/**
 * The records of a data set, read one by one as they are asked for.
 * Errors: files, splits and columns that are not there; damaged lines, with file and line, unless they are to be skipped
 */
export async function* readDataset(where: DataLocation, options: DatasetOptions = {}): AsyncGenerator<DataRecord, void, undefined> {
  for (const file of await openFiles(where, options)) yield* readFile(file, options);
}

/** All records of a data set. Errors: those of `readDataset` */
export async function loadDataset(where: DataLocation, options: DatasetOptions = {}): Promise<DataRecord[]> {
  const records: DataRecord[] = [];
  for await (const record of readDataset(where, options)) records.push(record);
  return records;
}

async function openFiles(where: DataLocation, options: DatasetOptions): Promise<DataFile[]> {
  if (isBlob(where)) return [fileOfBlob(where)];
  const single = typeof where === 'string' ? await fileAt(where) : undefined;
  if (single) return [single];
  const { source, paths } = await openFolder(where, options);
  const chosen = options.files
    ? filesOfPatterns(paths, options.files, source.describe)
    : filesOfSplit(dataFilesOf(paths, source.describe), options.split, source.describe);
  return chosen.map((path) => fileOf(source, path, `${source.describe}/`));
}

/** Opens what holds many files. Errors: there is no such place, or it cannot tell its files */
export async function openFolder(
  where: Exclude<DataLocation, Blob>,
  options: HubOptions,
): Promise<{ source: Source; paths: readonly string[] }> {
  const source = await openSource(Array.isArray(where) ? filesSource(where) : (where as Location), { ...options, repoType: 'dataset' });
  const paths = await source.list?.();
  if (!paths) throw new Error(`${source.describe} does not tell which files it has`);
  return { source, paths };
}

const isBlob = (where: unknown): where is Blob => typeof Blob !== 'undefined' && where instanceof Blob;
