import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** Answers as the hub does for one repository, whose files lie in a folder. @returns what `serve` asks before it answers itself */
export function hubOf(repo, folder) {
  return async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const json = (value, status = 200) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (pathname === `/api/models/${repo}/revision/main`) {
      const siblings = await Promise.all(
        (await readdir(folder)).map(async (rfilename) => {
          const bytes = await readFile(join(folder, rfilename));
          return { rfilename, size: bytes.length, blobId: createHash('sha1').update(bytes).digest('hex') };
        }),
      );
      json({ sha: COMMIT, siblings });
    } else if (pathname.startsWith(`/${repo}/resolve/${COMMIT}/`)) {
      const bytes = await readFile(join(folder, pathname.slice(`/${repo}/resolve/${COMMIT}/`.length)));
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range);
      response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${bytes.length}` }).end(bytes.subarray(Number(from), Number(to) + 1));
    } else if (pathname.startsWith('/api/')) json({ error: 'Repository not found' }, 404);
    else return false;
    return true;
  };
}
