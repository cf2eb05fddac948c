import type { HubOptions } from './hub';
import { endpointOf, hideToken, tokenOf } from './hubSettings';
import { nodeModules } from './nodeFs';
import { persistently } from './persistently';

/** What is known of a file before it is read. */
export interface HubFile {
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of what it holds, or for files that lie in git itself git's SHA-1. */
  readonly hash: string;
}

/** A repository as it was at one commit. */
export interface HubCommit {
  readonly commit: string;
  readonly files: ReadonlyMap<string, HubFile>;
}

/** A repository's address and how to ask for what is in it. */
export interface HubConnection {
  readonly repo: string;
  readonly revision: string;
  readonly describe: string;
  /** Finds out what there is. */
  look(): Promise<HubCommit>;
  /** Hands on the bytes from `start` to `end` as they come, each with its place, and asks for the rest where the connection is cut. */
  download(
    commit: string,
    path: string,
    start: number,
    end: number,
    take: (bytes: Uint8Array, at: number) => void | Promise<void>,
  ): Promise<void>;
}

/** The hub did not answer, or not now: files in the cache may do. */
export class Unreachable extends Error {}

export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

const MAX_REDIRECTS = 10;
const MAX_CUTS = 5;
const SIZE_OF_HASH = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

export function connectHub(repo: string, options: HubOptions): HubConnection {
  const endpoint = endpointOf(options);
  const token = tokenOf(options);
  const revision = options.revision ?? 'main';
  const isDataset = options.repoType === 'dataset';
  const prefix = isDataset ? `/datasets/${repo}` : `/${repo}`;
  const describe = `${endpoint}${prefix}/tree/${revision}`;
  const { origin } = new URL(endpoint);

  /** @param what names what is asked for where it is not there */
  const request = async (path: string, what: string, headers: Record<string, string> = {}): Promise<Response> => {
    // Where redirects cannot be followed by hand, in browsers, it is the browser that takes the token off for other origins.
    const redirect = (await nodeModules()) ? 'manual' : 'follow';
    let url = new URL(endpoint + path);
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const authorized = token && url.origin === origin ? { ...headers, Authorization: `Bearer ${token}` } : headers;
      const target = url;
      const response = await persistently(() => (options.fetch ?? fetch)(target, { headers: authorized, redirect })).catch(
        (error: Error) => {
          throw new Unreachable(`${describe} cannot be reached: ${hideToken(reasonOf(error), token)}`);
        },
      );
      const { status } = response;
      if (status >= 200 && status < 300) return response;
      await response.body?.cancel();
      const location = response.headers.get('location');
      if (status >= 300 && status < 400 && location) {
        url = new URL(location, url);
        continue;
      }
      if (status === 404) throw new Error(`there is no ${what}`);
      if ((status === 401 || status === 403) && url.origin === origin)
        throw new Error(
          `${endpoint}${prefix} is private, gated or does not exist, and ${token ? 'the token sent does not open it' : 'no token was sent'}: ` +
            'check the name, accept its terms on its page if it has any, and set HF_TOKEN (or the option `token`) to a token that may read it',
        );
      const answered = `${describe} cannot be read: the server answered ${status} when asked for the ${what}`;
      throw status === 429 || status >= 500 ? new Unreachable(answered) : new Error(answered);
    }
    throw new Error(`${describe} cannot be read: it redirects more than ${MAX_REDIRECTS} times`);
  };

  return {
    repo,
    revision,
    describe,
    async look() {
      const response = await request(
        `/api/${isDataset ? 'datasets' : 'models'}/${repo}/revision/${encodeURIComponent(revision)}?blobs=true`,
        `repository ${repo} with a revision ${revision} on ${endpoint}`,
      );
      const { sha, siblings } = ((await response.json().catch(() => undefined)) ?? {}) as { sha?: unknown; siblings?: unknown };
      if (typeof sha !== 'string' || !isCommit(sha) || !Array.isArray(siblings))
        throw new Error(`${endpoint} does not answer as a hub does when asked for ${repo}`);
      return { commit: sha, files: new Map((siblings as Sibling[]).map((sibling) => fileOf(sibling, describe))) };
    },
    async download(commit, path, start, end, take) {
      let at = start;
      for (let cuts = 0; at < end; ) {
        const from = at;
        const range = { Range: `bytes=${from}-${end - 1}`, 'Accept-Encoding': 'identity' };
        const response = await request(`${prefix}/resolve/${commit}/${encodePath(path)}`, `file ${path} in ${describe}`, range);
        // A server may send all of a file where a part was asked for.
        let place = response.status === 206 ? from : 0;
        const reader = response.body?.getReader();
        let problem = 'it sent too little';
        while (reader && at < end) {
          const { value, done } = await reader.read().catch((error: Error) => {
            problem = reasonOf(error);
            return { value: undefined, done: true };
          });
          if (done || !value) break;
          const wanted = value.subarray(Math.max(0, at - place), Math.max(0, end - place));
          place += value.length;
          if (wanted.length === 0) continue;
          await take(wanted, at);
          at += wanted.length;
        }
        await reader?.cancel().catch(() => undefined);
        cuts = at > from ? 0 : cuts + 1;
        if (cuts >= MAX_CUTS)
          throw new Unreachable(`${path} in ${describe} breaks off at byte ${at} of ${end}: ${hideToken(problem, token)}`);
      }
    },
  };
}

interface Sibling {
  rfilename?: unknown;
  size?: unknown;
  blobId?: unknown;
  lfs?: { sha256?: unknown; size?: unknown } | null;
}

function fileOf({ rfilename, size, blobId, lfs }: Sibling, describe: string): [string, HubFile] {
  const file = { size: lfs?.size ?? size, hash: lfs?.sha256 ?? blobId };
  // The hash becomes the name of a file in the cache.
  if (typeof rfilename !== 'string' || !Number.isSafeInteger(file.size) || typeof file.hash !== 'string' || !SIZE_OF_HASH.test(file.hash))
    throw new Error(`${describe} does not tell the size and hash of its file ${String(rfilename)}`);
  return [rfilename, file as HubFile];
}

const encodePath = (path: string) => path.split('/').map(encodeURIComponent).join('/');

/** What `fetch` says is wrong stands in its error's cause. */
const reasonOf = (error: Error): string => (error.cause instanceof Error && error.cause.message) || error.message;
