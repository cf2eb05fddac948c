import { folder, memory, type Source } from '@peft/core';

/** A file of data, read in pieces. */
export interface DataFile {
  /** For messages, and its end says the format. */
  readonly name: string;
  /** Bytes. */
  size(): Promise<number>;
  /** The bytes from `start` up to, not including, `end`. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** A file of a folder, of the hub or of memory. @param where is put before its name in messages */
export const fileOf = (source: Source, path: string, where = ''): DataFile => ({
  name: where + path,
  size: () => source.size(path),
  read: (start, end) => source.read(path, start, end),
});

/** A file that a page was given. */
export const fileOfBlob = (blob: Blob): DataFile => ({
  name: (blob as Partial<File>).name ?? 'data',
  size: async () => blob.size,
  read: async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer()),
});

/** The file at a path of the file system, or nothing where there is none. */
export async function fileAt(path: string): Promise<DataFile | undefined> {
  const [, directory = '', name = ''] = /^(.*[\\/])?([^\\/]*)$/.exec(path) ?? [];
  if (name === '' || typeof process === 'undefined') return undefined;
  const source = folder(directory || '.');
  return (await source.has(name).catch(() => false)) ? fileOf(source, name, directory) : undefined;
}

/** The files that a page was given, as a folder: by `webkitRelativePath` where they are of one, without that folder's own name. */
export function filesSource(files: Iterable<File>): Source {
  const byPath = Array.from(files, (file) => [file.webkitRelativePath?.replace(/^[^/]*\//, '') || file.name, file] as const);
  return { ...memory(Object.fromEntries(byPath)), describe: 'the files given' };
}
