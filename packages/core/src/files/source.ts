import type { FileHandle } from 'node:fs/promises';
import { type HubOptions, hub, looksLikeRepository } from './hub';
import { nodeModules } from './nodeFs';
import { safePath } from './paths';

/** A place to read files from. */
export interface Source {
  /** What it is, for messages. */
  readonly describe: string;
  has(path: string): Promise<boolean>;
  /** Bytes. Errors: where the file is not there. */
  size(path: string): Promise<number>;
  /** The bytes from `start` up to, not including, `end`. @default all */
  read(path: string, start?: number, end?: number): Promise<Uint8Array>;
  /** The paths of all files, in no set order; a place that cannot tell them leaves it out. */
  list?(): Promise<readonly string[]>;
  /** Where the file lies in this machine's file system, if it does. */
  fileOf?(path: string): Promise<string | undefined>;
}

/** Files in memory, by name; or as browsers hand them out: a `File` is a blob, of which only what is needed is read. */
export type MemoryFiles = Readonly<Record<string, Uint8Array | string | Blob>>;

/** Where to read from: a folder, a hub repository (`owner/name`), files in memory, or a source of one's own. */
export type Location = string | Source | MemoryFiles;

const isSource = (where: object): where is Source =>
  typeof (where as Source).read === 'function' && typeof (where as Source).has === 'function';

/** Opens a location. Errors: a string that is neither a folder nor a repository's name. */
export async function openSource(where: Location, options: HubOptions = {}): Promise<Source> {
  if (typeof where !== 'string') {
    const source = isSource(where) ? where : memory(where);
    return options.subfolder ? within(source, options.subfolder) : source;
  }
  const node = await nodeModules();
  const isFolder =
    node &&
    (await node.fs.stat(where).then(
      (stat) => stat.isDirectory(),
      () => false,
    ));
  if (isFolder) return options.subfolder ? within(folder(where), options.subfolder) : folder(where);
  if (!looksLikeRepository(where)) throw new Error(`"${where}" is no folder here, and no name of a hub repository (owner/name)`);
  return hub(where, options);
}

/** A folder of the file system. */
export function folder(root: string): Source {
  // Many tensors are read at once, and the files a program may hold open are few: reads of one file share it.
  const open = new Map<string, { handle: Promise<FileHandle>; readers: number }>();
  const at = async (path: string) => {
    const node = await nodeModules();
    if (!node) throw new Error(`the folder ${root} cannot be read here: there is no file system`);
    return { fs: node.fs, full: node.path.join(root, safePath(path)) };
  };
  return {
    describe: root,
    async has(path) {
      const { fs, full } = await at(path);
      return fs.stat(full).then(
        (stat) => stat.isFile(),
        () => false,
      );
    },
    async size(path) {
      const { fs, full } = await at(path);
      const stat = await fs.stat(full).catch(() => undefined);
      if (!stat?.isFile()) throw new Error(`there is no file ${path} in ${root}`);
      return stat.size;
    },
    async read(path, start = 0, end) {
      const { fs, full } = await at(path);
      const shared = open.get(full) ?? { handle: fs.open(full), readers: 0 };
      open.set(full, shared);
      shared.readers++;
      try {
        const handle = await shared.handle.catch((error: Error) => {
          throw new Error(`the file ${path} in ${root} cannot be read: ${error.message}`);
        });
        const { size } = await handle.stat();
        const stop = end ?? size;
        checkRange(path, root, size, start, stop);
        const bytes = new Uint8Array(stop - start);
        for (let done = 0; done < bytes.length; ) {
          const { bytesRead } = await handle.read(bytes, done, Math.min(bytes.length - done, 1 << 30), start + done);
          if (bytesRead === 0) throw new Error(`${path} in ${root} ended early`);
          done += bytesRead;
        }
        return bytes;
      } finally {
        if (--shared.readers === 0) {
          open.delete(full);
          await shared.handle.then(
            (handle) => handle.close(),
            () => undefined,
          );
        }
      }
    },
    fileOf: async (path) => (await at(path)).full,
    async list() {
      const node = await nodeModules();
      if (!node) throw new Error(`the folder ${root} cannot be read here: there is no file system`);
      const entries = await node.fs.readdir(root, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => !entry.isDirectory())
        .map((entry) => node.path.join(entry.parentPath ?? entry.path, entry.name)) // Node before 20.12 has `path` alone
        .map((full) => node.path.relative(root, full).split(node.path.sep).join('/'));
    },
  };
}

/** Files in memory. */
export function memory(files: MemoryFiles): Source {
  const get = (path: string): Uint8Array | Blob => {
    const found = Object.hasOwn(files, safePath(path)) ? files[path] : undefined;
    if (found === undefined) throw new Error(`there is no file ${path} among ${Object.keys(files).join(', ') || 'no files'}`);
    return typeof found === 'string' ? new TextEncoder().encode(found) : found;
  };
  const sizeOf = (file: Uint8Array | Blob) => (file instanceof Blob ? file.size : file.length);
  return {
    describe: 'files in memory',
    has: async (path) => Object.hasOwn(files, safePath(path)),
    size: async (path) => sizeOf(get(path)),
    read: async (path, start = 0, end) => {
      const file = get(path);
      checkRange(path, 'memory', sizeOf(file), start, end ?? sizeOf(file));
      if (!(file instanceof Blob)) return new Uint8Array(file.subarray(start, end));
      const part = await file
        .slice(start, end)
        .arrayBuffer()
        .catch((error: Error) => {
          throw new Error(`the file ${path} cannot be read any more (has it changed since it was chosen?): ${error.message}`);
        });
      return new Uint8Array(part);
    },
    list: async () => Object.keys(files),
  };
}

/** Errors: a range that the file does not have. */
export function checkRange(path: string, where: string, size: number, start: number, end: number): void {
  if (start < 0 || start > end || end > size)
    throw new Error(`${path} in ${where} has ${size} bytes: there are no bytes ${start} to ${end}`);
}

/** A folder of a source. */
export function within(source: Source, subfolder: string): Source {
  const prefix = `${safePath(subfolder.replace(/\/+$/, ''))}/`;
  return {
    describe: `${source.describe}/${prefix.slice(0, -1)}`,
    has: async (path) => source.has(prefix + safePath(path)),
    size: async (path) => source.size(prefix + safePath(path)),
    read: async (path, start, end) => source.read(prefix + safePath(path), start, end),
    fileOf: async (path) => source.fileOf?.(prefix + safePath(path)),
    ...(source.list && {
      list: async () => ((await source.list?.()) ?? []).filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length)),
    }),
  };
}
