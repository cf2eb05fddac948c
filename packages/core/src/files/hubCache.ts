import { warn } from '../warn';
import { atMost } from './atMost';
import type { HubOptions } from './hub';
import { type HubCommit, type HubConnection, isCommit, Unreachable } from './hubConnection';
import { fetchFile } from './hubDownload';
import { cacheRoot, isOffline } from './hubSettings';
import type { NodeModules } from './nodeFs';
import { safePath } from './paths';
import { folderSink } from './sink';
import { folder, type Source } from './source';

/** Downloads under way, by where they go: one process fetches nothing twice. */
const underWay = new Map<string, Promise<void>>();

/** As many downloads at once as Python's. */
const inTurn = atMost(8);

/** The files of a repository in the cache that Python shares, downloaded when first read. */
export function hubCache(connection: HubConnection, options: HubOptions, node: NodeModules): Source {
  const { fs, path: paths } = node;
  const { repo, describe } = connection;
  const revision = safePath(connection.revision);
  const root = options.cacheDir ?? cacheRoot(node);
  const home = paths.join(root, `${options.repoType ?? 'model'}s--${repo.replaceAll('/', '--')}`);
  const snapshot = (commit: string) => folder(paths.join(home, 'snapshots', commit));
  const offline = options.localFilesOnly ?? isOffline();
  // What a commit holds never changes: what is there of it needs no question.
  const pinned = isCommit(revision) ? snapshot(revision) : undefined;

  const cached = async (): Promise<{ commit: string; files?: undefined } | undefined> => {
    const commit = pinned
      ? revision
      : await fs.readFile(paths.join(home, 'refs', revision), 'utf8').then(
          (text) => text.trim(),
          () => '',
        );
    const isThere =
      isCommit(commit) &&
      (await fs.stat(paths.join(home, 'snapshots', commit)).then(
        () => true,
        () => false,
      ));
    return isThere ? { commit } : undefined;
  };
  const look = async (): Promise<{ commit: string; files?: HubCommit['files'] | undefined }> => {
    if (offline) {
      const found = await cached();
      if (!found)
        throw new Error(`${describe} is not in the cache ${root}, and only the cache is asked (HF_HUB_OFFLINE or localFilesOnly)`);
      return found;
    }
    try {
      const found = await connection.look();
      if (!pinned && (await cached())?.commit !== found.commit) await folderSink(home).write(`refs/${revision}`, found.commit);
      return found;
    } catch (error) {
      const found = error instanceof Unreachable ? await cached() : undefined;
      if (!found) throw error;
      warn(`${(error as Error).message}; what the cache holds is used`);
      return found;
    }
  };
  let opened: Promise<{ commit: string; files?: HubCommit['files'] | undefined; local: Source }> | undefined;
  const open = () => {
    opened ??= look().then((found) => ({ ...found, local: pinned ?? snapshot(found.commit) }));
    opened.catch(() => {
      opened = undefined;
    });
    return opened;
  };
  const fetched = async (path: string): Promise<Source> => {
    if (await pinned?.has(path)) return pinned as Source;
    const { commit, files, local } = await open();
    if (await local.has(path)) return local;
    const file = files?.get(path);
    if (!file) throw new Error(`there is no file ${path} in ${files ? describe : `the cache of ${describe}`}`);
    const target = paths.join(home, 'snapshots', commit, path);
    const task =
      underWay.get(target) ??
      inTurn(() => fetchFile(connection, node, home, commit, path, file, options.onProgress)).finally(() => underWay.delete(target));
    underWay.set(target, task);
    await task;
    return local;
  };
  return {
    describe,
    async has(path) {
      if (await pinned?.has(path)) return true;
      const { files, local } = await open();
      return files ? files.has(path) : local.has(path);
    },
    async size(path) {
      if (await pinned?.has(path)) return (pinned as Source).size(path);
      const { files, local } = await open();
      return files?.get(path)?.size ?? local.size(path);
    },
    read: async (path, start, end) => (await fetched(path)).read(path, start, end),
    fileOf: async (path) => (await fetched(path)).fileOf?.(path),
    async list() {
      const { files, local } = await open();
      return files ? [...files.keys()] : ((await local.list?.()) ?? []);
    },
  };
}
