import { nodeModules } from './nodeFs';
import { safePath } from './paths';

/** A place to write files to. */
export interface Sink {
  /** Writes a whole file: afterwards the new one is there, and a crash leaves the old one or the new one. */
  write(path: string, bytes: Uint8Array | string): Promise<void>;
}

/** Where to write: a folder, or a sink of one's own. */
export type SinkLocation = string | Sink;

export async function openSink(where: SinkLocation): Promise<Sink> {
  return typeof where === 'string' ? folderSink(where) : where;
}

/** A folder of the file system, made when first written to. */
export function folderSink(root: string): Sink {
  return {
    async write(path, bytes) {
      const node = await nodeModules();
      if (!node) throw new Error(`the folder ${root} cannot be written here: there is no file system; give a sink, e.g. memorySink()`);
      const { fs, path: paths } = node;
      const target = paths.join(root, safePath(path));
      const parent = paths.dirname(target);
      const isFile = await fs.stat(root).then(
        (stat) => !stat.isDirectory(),
        () => false,
      );
      if (isFile) throw new Error(`${root} is a file: give the name of a folder`);
      await fs.mkdir(parent, { recursive: true });
      const temporary = paths.join(parent, `.${paths.basename(target)}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`);
      try {
        const handle = await fs.open(temporary, 'wx');
        try {
          await handle.writeFile(bytes);
          await handle.sync();
        } finally {
          await handle.close();
        }
        await fs.rename(temporary, target);
        await syncFolder(fs, parent);
      } catch (error) {
        await fs.rm(temporary, { force: true });
        throw error;
      }
    },
  };
}

/** The name is safe on the disk only when its folder is; not every system can sync a folder. */
async function syncFolder(fs: typeof import('node:fs/promises'), path: string): Promise<void> {
  const handle = await fs.open(path, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Files in memory, by name; they can be read back as they are. */
export function memorySink(): Sink & { readonly files: Record<string, Uint8Array> } {
  const files: Record<string, Uint8Array> = {};
  return {
    files,
    write: async (path, bytes) => {
      files[safePath(path)] = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : new Uint8Array(bytes);
    },
  };
}
