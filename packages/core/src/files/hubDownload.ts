import type { FileHandle } from 'node:fs/promises';
import type { HubOptions } from './hub';
import type { HubConnection, HubFile } from './hubConnection';
import type { NodeModules } from './nodeFs';

/**
 * Downloads a file into the folder that a cache has for its repository: the bytes under their hash, and a link to them under the
 * commit. Goes on with what an earlier download left. Errors: bytes of another hash, which are thrown away.
 */
export async function fetchFile(
  connection: HubConnection,
  node: NodeModules,
  home: string,
  commit: string,
  path: string,
  file: HubFile,
  onProgress: HubOptions['onProgress'],
): Promise<void> {
  const { fs, path: paths } = node;
  const blob = paths.join(home, 'blobs', file.hash);
  const isThere = await fs.stat(blob).then(
    ({ size }) => size === file.size,
    () => false,
  );
  if (!isThere) {
    const partial = `${blob}.incomplete`;
    await fs.mkdir(paths.dirname(blob), { recursive: true });
    const handle = await fs.open(partial, fs.constants.O_RDWR | fs.constants.O_CREAT);
    try {
      const { size } = await handle.stat();
      for (let from = size > file.size ? 0 : size; ; from = 0) {
        // Other processes may do the same at the same time: all write the same bytes to the same places.
        await connection.download(commit, path, from, file.size, async (bytes, at) => {
          for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
          onProgress?.({ file: path, loaded: at + bytes.length, total: file.size });
        });
        const hash = await hashOf(handle, file, node);
        if (hash === file.hash) break;
        // What was left may be what is damaged: then all is fetched anew.
        if (from > 0) continue;
        await fs.rm(partial, { force: true });
        throw new Error(
          `${path} of ${connection.describe} arrived damaged (its hash is ${hash}, not ${file.hash}) and was thrown away: try again`,
        );
      }
      if (size > file.size) await handle.truncate(file.size);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(partial, blob).catch((error) => fs.stat(blob).catch(() => Promise.reject(error)));
  }
  const link = paths.join(home, 'snapshots', commit, path);
  await fs.mkdir(paths.dirname(link), { recursive: true });
  await fs.symlink(paths.relative(paths.dirname(link), blob), link).catch(async (error) => {
    // Not every system lets everyone make links.
    if (error.code !== 'EEXIST') await fs.copyFile(blob, link);
  });
}

async function hashOf(handle: FileHandle, { size, hash }: HubFile, { crypto }: NodeModules): Promise<string> {
  const isGit = hash.length === 40;
  const digest = crypto.createHash(isGit ? 'sha1' : 'sha256');
  if (isGit) digest.update(`blob ${size}\0`);
  const buffer = new Uint8Array(Math.min(size, 1 << 22));
  for (let at = 0; at < size; ) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - at), at);
    if (bytesRead === 0) break;
    digest.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return digest.digest('hex');
}
