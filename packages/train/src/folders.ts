import type * as Fs from 'node:fs/promises';
import type * as Path from 'node:path';

/** What checkpoints need of a file system beyond reading and writing files. */
export interface Folders {
  join(...parts: string[]): string;
  /** Names of the folders in a folder; none where it is not there. */
  list(path: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
}

/** Errors: where there is no file system. */
export async function openFolders(): Promise<Folders> {
  if (typeof process === 'undefined' || !process.versions?.node)
    throw new Error('checkpoints need a file system, and there is none here: leave out output_dir');
  // In variables, so that bundlers for browsers do not follow the names.
  const [fsName, pathName] = ['node:fs/promises', 'node:path'];
  const fs = (await import(/* @vite-ignore */ /* webpackIgnore: true */ fsName)) as typeof Fs;
  const paths = (await import(/* @vite-ignore */ /* webpackIgnore: true */ pathName)) as typeof Path;
  return {
    join: paths.join,
    list: async (path) => {
      const entries = await fs.readdir(path, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [];
        throw error;
      });
      return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    },
    rename: async (from, to) => {
      await fs.rename(from, to);
      // The name is safe on the disk only when its folder is; not every system can sync a folder.
      const handle = await fs.open(paths.dirname(to), 'r').catch(() => undefined);
      await handle?.sync().catch(() => undefined);
      await handle?.close();
    },
    remove: (path) => fs.rm(path, { recursive: true, force: true }),
  };
}
