import type { HubOptions } from '@peft/core';
import type { Dataset } from '../dataLoader';
import { type DataLocation, openFolder } from './loadDataset';
import { filesOfSplit, isSplit, splitOfFolder } from './splits';

/** A picture as it lies in a folder (a type, not an interface, so that a batch of them is a record of lists). */
export type ImageExample = {
  /** The bytes of the file. */
  image: Uint8Array;
  /** The number of its folder's name in `labels`; −1 where it lies in no folder of a class. */
  label: number;
  path: string;
};

/** Pictures, read when they are asked for. */
export interface ImageFolder extends Dataset<Promise<ImageExample>> {
  /** The classes: names of folders, in alphabetical order. */
  readonly labels: readonly string[];
  /** Which class each example is of, without reading it. */
  readonly label_ids: readonly number[];
}

export interface ImageFolderOptions extends Omit<HubOptions, 'repoType'> {
  /** Told by a folder's name: train, validation, test, and what else datasets takes for them. @default train, and all where none is told */
  split?: string;
}

/** Pictures whose folder is their class: `cat/1.png`, or of a split, `train/cat/1.png`. Errors: there are none */
export async function imageFolder(
  where: Exclude<DataLocation, Blob>,
  { split, ...options }: ImageFolderOptions = {},
): Promise<ImageFolder> {
  const { source, paths } = await openFolder(where, options);
  const pictures = paths.filter(
    (path) => /\.(png|jpe?g|gif|bmp|webp)$/i.test(path) && !path.split('/').some((part) => part.startsWith('.')),
  );
  if (pictures.length === 0) throw new Error(`${source.describe} has no pictures (png, jpg, gif, bmp, webp)`);
  const chosen = filesOfSplit(pictures, split, source.describe, splitOfFolder);
  // A folder of a split is no class.
  const classes = chosen.map((path) => path.split('/').slice(0, -1).at(-1)).map((name) => (name && isSplit(name) ? undefined : name));
  const labels = [...new Set(classes.filter((name) => name !== undefined))].sort();
  const label_ids = classes.map((name) => (name === undefined ? -1 : labels.indexOf(name)));
  return {
    labels,
    label_ids,
    length: chosen.length,
    get: async (index) => {
      const path = chosen[index] as string;
      return { image: await source.read(path), label: label_ids[index] as number, path };
    },
  };
}
