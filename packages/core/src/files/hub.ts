import { hubCache } from './hubCache';
import { connectHub, type HubCommit, type HubConnection } from './hubConnection';
import { nodeModules } from './nodeFs';
import { safePath } from './paths';
import { checkRange, type Source, within } from './source';

/** How a repository is found and read. */
export interface HubOptions {
  /** What kind of repository it is. @default 'model' */
  repoType?: 'model' | 'dataset';
  /** A branch, tag or commit. @default 'main' */
  revision?: string | null;
  /** A folder in the repository. */
  subfolder?: string;
  /** An access token. @default the environment's HF_TOKEN */
  token?: string;
  /** Where files are kept, in the layout Python uses. @default HF_HUB_CACHE, or `hub` in HF_HOME, or ~/.cache/huggingface/hub */
  cacheDir?: string;
  /** Whether only the cache is asked. @default the environment's HF_HUB_OFFLINE */
  localFilesOnly?: boolean;
  /** The address of the hub. @default HF_ENDPOINT, or https://huggingface.co */
  endpoint?: string;
  /** Sends the requests. @default the global fetch */
  fetch?: typeof fetch;
  /** Is told how far a download is, in bytes. */
  onProgress?: (progress: HubProgress) => void;
}

export interface HubProgress {
  file: string;
  loaded: number;
  total: number;
}

/** Whether a text can be the name of a repository: `owner/name`, or `name` for those without owner. */
export const looksLikeRepository = (name: string): boolean => /^(?:\w[\w.-]*\/)?\w[\w.-]*$/.test(name) && !/--|\.\./.test(name);

/** Errors: a text that cannot be the name of a repository. */
export function checkRepository(repo: string): void {
  if (!looksLikeRepository(repo)) throw new Error(`"${repo}" is no name of a hub repository (owner/name)`);
}

/**
 * The files of a repository of the Hugging Face hub. In Node they are downloaded once, into the cache that Python shares; in
 * browsers they are read over the network, each range when it is asked for.
 * Errors: a repository, revision or file that is not there or not open to the token; no network and nothing in the cache.
 */
export function hub(repo: string, options: HubOptions = {}): Source {
  checkRepository(repo);
  const connection = connectHub(repo, options);
  let opened: Promise<Source> | undefined;
  const open = () => {
    opened ??= nodeModules().then((node) => (node ? hubCache(connection, options, node) : overNetwork(connection, options)));
    return opened;
  };
  const source: Source = {
    describe: connection.describe,
    has: async (path) => (await open()).has(safePath(path)),
    size: async (path) => (await open()).size(safePath(path)),
    read: async (path, start, end) => (await open()).read(safePath(path), start, end),
    list: async () => (await (await open()).list?.()) ?? [],
    fileOf: async (path) => (await open()).fileOf?.(safePath(path)),
  };
  return options.subfolder ? within(source, options.subfolder) : source;
}

/** The files of a repository without a cache. */
function overNetwork(connection: HubConnection, { localFilesOnly, onProgress }: HubOptions): Source {
  const { describe } = connection;
  if (localFilesOnly) throw new Error(`${describe} cannot be read: only the cache is asked (localFilesOnly), and there is none here`);
  let opened: Promise<HubCommit> | undefined;
  const open = () => {
    opened ??= connection.look();
    opened.catch(() => {
      opened = undefined;
    });
    return opened;
  };
  const size = async (path: string) => {
    const file = (await open()).files.get(path);
    if (!file) throw new Error(`there is no file ${path} in ${describe}`);
    return file.size;
  };
  return {
    describe,
    has: async (path) => (await open()).files.has(path),
    size,
    async read(path, start = 0, end) {
      const total = await size(path);
      const stop = end ?? total;
      checkRange(path, describe, total, start, stop);
      const bytes = new Uint8Array(stop - start);
      await connection.download((await open()).commit, path, start, stop, (part, at) => {
        bytes.set(part, at - start);
        onProgress?.({ file: path, loaded: at + part.length, total });
      });
      return bytes;
    },
    list: async () => [...(await open()).files.keys()],
  };
}
