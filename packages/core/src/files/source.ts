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
}

/** Files in memory, by name. */
export type MemoryFiles = Readonly<Record<string, Uint8Array | string>>;

/** Where to read from: a folder, a hub repository (`owner/name`), files in memory, or a source of one's own. */
export type Location = string | Source | MemoryFiles;

const isSource = (where: object): where is Source => typeof (where as Source).read === 'function' && typeof (where as Source).has === 'function';

/** Opens a location. Errors: a string that is neither a folder nor a repository's name. */
export async function openSource(where: Location, options: HubOptions = {}): Promise<Source> {
  if (typeof where !== 'string') {
    const source = isSource(where) ? where : memory(where);
    return options.subfolder ? within(source, options.subfolder) : source;
  }
  const node = await nodeModules();
  const isFolder = node && (await node.fs.stat(where).then((stat) => stat.isDirectory(), () => false));
  if (isFolder) return options.subfolder ? within(folder(where), options.subfolder) : folder(where);
  if (!looksLikeRepository(where)) throw new Error(`"${where}" is no folder here, and no name of a hub repository (owner/name)`);
  const { subfolder, ...rest } = options;
  const source = hub(where, rest);
  return subfolder ? within(source, subfolder) : source;
}

/** A folder of the file system. */
export function folder(root: string): Source {
  const at = async (path: string) => {
    const node = await nodeModules();
    if (!node) throw new Error(`the folder ${root} cannot be read here: there is no file system`);
    return { fs: node.fs, full: node.path.join(root, safePath(path)) };
  };
  return {
    describe: root,
    async has(path) {
      const { fs, full } = await at(path);
      return fs.stat(full).then((stat) => stat.isFile(), () => false);
    },
    async size(path) {
      const { fs, full } = await at(path);
      const stat = await fs.stat(full).catch(() => undefined);
      if (!stat?.isFile()) throw new Error(`there is no file ${path} in ${root}`);
      return stat.size;
    },
    async read(path, start = 0, end) {
      const { fs, full } = await at(path);
      const handle = await fs.open(full).catch((error: Error) => {
        throw new Error(`the file ${path} in ${root} cannot be read: ${error.message}`);
      });
      try {
        const { size } = await handle.stat();
        const stop = end ?? size;
        if (start < 0 || stop > size || start > stop) throw new Error(`${path} in ${root} has ${size} bytes, not ${stop}`);
        const bytes = new Uint8Array(stop - start);
        for (let done = 0; done < bytes.length; ) {
          const { bytesRead } = await handle.read(bytes, done, Math.min(bytes.length - done, 1 << 30), start + done);
          if (bytesRead === 0) throw new Error(`${path} in ${root} ended early`);
          done += bytesRead;
        }
        return bytes;
      } finally {
        await handle.close();
      }
    },
  };
}

/** Files in memory. */
export function memory(files: MemoryFiles): Source {
  const get = (path: string): Uint8Array => {
    const found = Object.hasOwn(files, safePath(path)) ? files[path] : undefined;
    if (found === undefined) throw new Error(`there is no file ${path} among ${Object.keys(files).join(', ') || 'no files'}`);
    return typeof found === 'string' ? new TextEncoder().encode(found) : found;
  };
  return {
    describe: 'files in memory',
    has: async (path) => Object.hasOwn(files, path),
    size: async (path) => get(path).length,
    read: async (path, start = 0, end) => {
      const bytes = get(path);
      if (start < 0 || (end ?? 0) > bytes.length) throw new Error(`${path} has ${bytes.length} bytes, not ${end}`);
      return bytes.slice(start, end);
    },
  };
}

function within(source: Source, subfolder: string): Source {
  const prefix = `${safePath(subfolder.replace(/\/+$/, ''))}/`;
  return {
    describe: `${source.describe}/${prefix.slice(0, -1)}`,
    has: (path) => source.has(prefix + safePath(path)),
    size: (path) => source.size(prefix + safePath(path)),
    read: (path, start, end) => source.read(prefix + safePath(path), start, end),
  };
}
