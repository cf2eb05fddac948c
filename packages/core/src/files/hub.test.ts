import { existsSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { setWarningHandler } from '../warn';
import { COMMIT, gitHash, sha256, startHub, type TestHub, TOKEN } from './fixtures/hubServer';
import { type HubOptions, type HubProgress, hub, looksLikeRepository } from './hub';
import * as nodeFs from './nodeFs';
import { pushToHub } from './pushToHub';
import { openSource } from './source';

vi.mock('./nodeFs', async (original) => {
  const actual = await original<typeof nodeFs>();
  return { ...actual, nodeModules: vi.fn(actual.nodeModules) };
});

const weights = Uint8Array.from({ length: 30_000 }, (_, i) => (i * i) % 251);
const config = new TextEncoder().encode('{"r": 8}');
const files = { 'config.json': config, 'model.safetensors': weights, 'adapters/a b/adapter.safetensors': weights.subarray(0, 1000) };
const home = (cacheDir: string) => join(cacheDir, 'models--owner--name');
const VARIABLES = ['HF_TOKEN', 'HF_HOME', 'HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_ENDPOINT', 'HF_HUB_OFFLINE', 'XDG_CACHE_HOME'];

let server: TestHub;
let cacheDir: string;
let warnings: string[];
let options: HubOptions;
/** The error of a promise, which must not show the token. */
const errorOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(
    () => undefined,
    (error: Error) => error,
  );
  expect(error).toBeInstanceOf(Error);
  expect(String(error?.stack) + String(error?.cause) + JSON.stringify(error)).not.toContain(TOKEN);
  return (error as Error).message;
};
const doNotWait = () => vi.stubGlobal('setTimeout', queueMicrotask);
const lines = (which?: 'hub' | 'cdn') => server.requests.filter((request) => !which || request.server === which).map(({ line }) => line);

beforeEach(async () => {
  for (const name of VARIABLES) vi.stubEnv(name, undefined);
  server = await startHub(files);
  cacheDir = await mkdtemp(join(tmpdir(), 'hub-'));
  options = { endpoint: server.endpoint, cacheDir, token: TOKEN };
  warnings = [];
  setWarningHandler((message) => warnings.push(message));
});

afterEach(async () => {
  setWarningHandler(undefined);
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  vi.mocked(nodeFs.nodeModules).mockReset();
  vi.mocked(nodeFs.nodeModules).mockImplementation((await vi.importActual<typeof nodeFs>('./nodeFs')).nodeModules);
  await server.close();
  await rm(cacheDir, { recursive: true });
});

it('knows the names of repositories', () => {
  expect(['gpt2', 'owner/name', 'o-1/n.a_m-e'].map(looksLikeRepository)).toEqual([true, true, true]);
  expect(['', '../x', 'a/b/c', './x', '/x', 'a/..', 'a/b--c', 'C:\\x', 'a b'].some(looksLikeRepository)).toBe(false);
  expect(() => hub('../x')).toThrow('"../x" is no name of a hub repository');
});

describe('in Node', () => {
  it('downloads a file once, into the layout of Python', async () => {
    const progress: HubProgress[] = [];
    const source = hub('owner/name', { ...options, onProgress: (step) => progress.push(step) });
    expect(await source.has('config.json')).toBe(true);
    expect(await source.size('model.safetensors')).toBe(weights.length);
    expect(lines()).toEqual(['GET /api/models/owner/name/revision/main?blobs=true']);
    const parts = await Promise.all([
      source.read('model.safetensors'),
      source.read('model.safetensors', 10, 20),
      source.read('config.json'),
    ]);
    expect(parts).toEqual([weights, weights.slice(10, 20), config]);
    expect(lines().length).toBe(4);
    expect(progress.at(-1)?.total).toBeGreaterThan(0);
    expect(progress).toContainEqual({ file: 'model.safetensors', loaded: weights.length, total: weights.length });
    expect(await readFile(join(home(cacheDir), 'refs/main'), 'utf8')).toBe(COMMIT);
    expect((await readdir(join(home(cacheDir), 'blobs'))).sort()).toEqual([sha256(weights), gitHash(config)].sort());
    expect(await readlink(join(home(cacheDir), 'snapshots', COMMIT, 'model.safetensors'))).toBe(join('../../blobs', sha256(weights)));
  });

  it('sends the token to the hub only, not to what it redirects to', async () => {
    await hub('owner/name', options).read('model.safetensors');
    expect(server.requests.map(({ server, authorization }) => [server, authorization])).toEqual([
      ['hub', `Bearer ${TOKEN}`],
      ['hub', `Bearer ${TOKEN}`],
      ['cdn', undefined],
    ]);
  });

  it('follows a repository to its new name with the token', async () => {
    server.intercept = (request, response) => {
      const isOld = request.url?.includes('owner/old');
      if (isOld) response.writeHead(307, { Location: (request.url as string).replace('owner/old', 'owner/name') }).end();
      return Boolean(isOld);
    };
    expect(await hub('owner/old', options).read('config.json')).toEqual(config);
    server.intercept = (request, response) => Boolean(response.writeHead(307, { Location: request.url }).end());
    expect(await errorOf(hub('owner/name', options).has('x'))).toContain('redirects more than 10 times');
  });

  it('asks only what a branch now holds when it is opened again, and nothing for a commit', async () => {
    await hub('owner/name', options).read('model.safetensors');
    server.requests.length = 0;
    const again = hub('owner/name', options);
    expect(await again.read('model.safetensors')).toEqual(weights);
    await again.read('model.safetensors');
    expect(lines()).toEqual(['GET /api/models/owner/name/revision/main?blobs=true']);
    const pinned = hub('owner/name', { ...options, revision: COMMIT });
    expect(await pinned.has('model.safetensors')).toBe(true);
    expect(await pinned.size('model.safetensors')).toBe(weights.length);
    expect(await pinned.read('model.safetensors')).toEqual(weights);
    expect(lines().length).toBe(1);
    expect(await pinned.read('config.json')).toEqual(config);
    expect(existsSync(join(home(cacheDir), 'refs', COMMIT))).toBe(false);
  });

  it('reads subfolders and names with spaces', async () => {
    for (const source of [
      hub('owner/name', { ...options, subfolder: 'adapters/a b/' }),
      await openSource('owner/name', { ...options, subfolder: 'adapters/a b' }),
    ]) {
      expect(await source.has('config.json')).toBe(false);
      expect(await source.read('adapter.safetensors')).toEqual(files['adapters/a b/adapter.safetensors']);
    }
    const link = join(home(cacheDir), 'snapshots', COMMIT, 'adapters/a b/adapter.safetensors');
    expect(await readlink(link)).toBe(join('../../../../blobs', sha256(weights.subarray(0, 1000))));
  });

  it('reads data sets, in a folder of the cache of their own, and lists files', async () => {
    const source = hub('owner/name', { ...options, repoType: 'dataset' });
    expect(source.describe).toBe(`${server.endpoint}/datasets/owner/name/tree/main`);
    expect(await source.list?.()).toEqual(Object.keys(files));
    expect(await source.read('config.json')).toEqual(config);
    expect(lines()).toEqual([
      'GET /api/datasets/owner/name/revision/main?blobs=true',
      `GET /datasets/owner/name/resolve/${COMMIT}/config.json`,
    ]);
    expect(await readdir(cacheDir)).toEqual(['datasets--owner--name']);
    const offline = hub('owner/name', { ...options, repoType: 'dataset', localFilesOnly: true });
    expect(await offline.list?.()).toEqual(['config.json']);
  });

  it('keeps to names inside the repository', async () => {
    const source = hub('owner/name', options);
    for (const read of [source.read, source.size, source.has])
      expect(await errorOf(read('../../x'))).toContain('must stay inside its folder');
    expect(await errorOf(hub('owner/name', { ...options, revision: '../../x' }).has('x'))).toContain('must stay inside its folder');
    expect(server.requests).toEqual([]);
  });

  it('refuses listings whose commit or hashes would lead out of the cache', async () => {
    const answer = (value: unknown) => {
      server.intercept = (_, response) => Boolean(response.end(JSON.stringify(value)));
    };
    answer({ sha: '../../../x', siblings: [] });
    expect(await errorOf(hub('owner/name', options).has('x'))).toContain('does not answer as a hub');
    answer({ sha: COMMIT, siblings: [{ rfilename: 'x', size: 1, blobId: '../../x' }] });
    expect(await errorOf(hub('owner/name', options).has('x'))).toContain('does not tell the size and hash of its file x');
  });

  it('says what to do where it is not let in', async () => {
    expect(await errorOf(hub('owner/name', { endpoint: server.endpoint, cacheDir }).has('x'))).toMatch(
      /private, gated or does not exist, and no token was sent.*HF_TOKEN/,
    );
    expect(await errorOf(hub('owner/name', { ...options, token: 'hf_other' }).has('x'))).toMatch(
      /private, gated or does not exist, and the token sent does not open it.*HF_TOKEN/,
    );
    server.intercept = (request, response) => Boolean(request.url?.includes('/resolve/') && response.writeHead(403).end());
    expect(await errorOf(hub('owner/name', options).read('config.json'))).toMatch(/private, gated/);
  });

  it('knows which files are missing', async () => {
    const source = hub('owner/name', options);
    expect(await source.has('x.json')).toBe(false);
    expect(await source.list?.()).toEqual(Object.keys(files));
    expect(await errorOf(source.read('x.json'))).toBe(`there is no file x.json in ${server.endpoint}/owner/name/tree/main`);
    expect(await errorOf(source.size('x.json'))).toContain('there is no file x.json');
    expect(await errorOf(hub('owner/name', { ...options, revision: 'v9' }).has('x'))).toContain(
      'there is no repository owner/name with a revision v9',
    );
  });

  it('never shows a token, not even a malformed one', async () => {
    expect(() => hub('owner/name', { ...options, token: `${TOKEN}\nX: y` })).toThrow(/^(?!.*hf_)/s);
    doNotWait();
    const fails = async () => Promise.reject(new TypeError(`bad header Bearer ${TOKEN}`));
    expect(await errorOf(hub('owner/name', { ...options, fetch: fails }).has('x'))).toContain('bad header Bearer …');
  });

  it('tries again when the hub is overloaded, and waits as it says', async () => {
    let refusals = 0;
    server.intercept = (_, response) =>
      refusals < 3 && Boolean(response.writeHead([429, 503, 500][refusals++] as number, { 'Retry-After': '0' }).end());
    expect(await hub('owner/name', options).read('config.json')).toEqual(config);
    refusals = 0;
    server.intercept = (_, response) =>
      refusals < 1 && Boolean(response.writeHead([429][refusals++] as number, { 'Retry-After': '1' }).end());
    const start = Date.now();
    await hub('owner/name', options).has('x');
    expect(Date.now() - start).toBeGreaterThan(900);
  });

  it('gives up after five tries', async () => {
    server.intercept = (_, response) => Boolean(response.writeHead(503, { 'Retry-After': '0' }).end());
    expect(await errorOf(hub('owner/name', options).has('x'))).toContain('the server answered 503');
    expect(server.requests.length).toBe(5);
  });

  it('resumes where a connection was cut', async () => {
    server.cuts = [10_000, 7_000];
    expect(await hub('owner/name', options).read('model.safetensors')).toEqual(weights);
    const ranges = server.requests.filter(({ server }) => server === 'cdn').map(({ range }) => range);
    expect(ranges).toEqual(['bytes=0-29999', 'bytes=10000-29999', 'bytes=17000-29999']);
  });

  it('resumes what an earlier process left, also from a server that sends all', async () => {
    const blobs = join(home(cacheDir), 'blobs');
    await mkdir(blobs, { recursive: true });
    await writeFile(join(blobs, `${sha256(weights)}.incomplete`), weights.subarray(0, 25_000));
    server.ignoresRanges = true;
    expect(await hub('owner/name', options).read('model.safetensors')).toEqual(weights);
    expect(server.requests.at(-1)?.range).toBe('bytes=25000-29999');
  });

  it.each([100, 29_999, 30_000, 40_000])('fetches all anew when %i bytes that were left are damaged', async (length) => {
    const blobs = join(home(cacheDir), 'blobs');
    await mkdir(blobs, { recursive: true });
    await writeFile(join(blobs, `${sha256(weights)}.incomplete`), new Uint8Array(length).fill(7));
    expect(await hub('owner/name', options).read('model.safetensors')).toEqual(weights);
    expect(server.requests.at(-1)?.range).toBe('bytes=0-29999');
    expect(await readFile(join(blobs, sha256(weights)))).toHaveLength(weights.length);
  });

  it('gives up when nothing more comes', async () => {
    server.cuts = [1000, ...Array.from({ length: 20 }, () => 0)];
    expect(await errorOf(hub('owner/name', options).read('model.safetensors'))).toContain('model.safetensors in');
    expect(server.requests.filter(({ server }) => server === 'cdn').length).toBe(6);
    server.cuts = [];
    expect(await hub('owner/name', options).read('model.safetensors')).toEqual(weights);
    expect(server.requests.at(-1)?.range).toBe('bytes=1000-29999');
  });

  it('refuses bytes of another hash, and keeps nothing of them', async () => {
    server.damages = true;
    const source = hub('owner/name', options);
    expect(await errorOf(source.read('model.safetensors'))).toContain('model.safetensors of');
    expect(await readdir(join(home(cacheDir), 'blobs'))).toEqual([]);
    server.damages = false;
    expect(await source.read('model.safetensors')).toEqual(weights);
  });

  it('lets two sources download the same', async () => {
    server.cuts = [1000, 2000];
    const [a, b] = await Promise.all([
      hub('owner/name', options).read('model.safetensors'),
      hub('owner/name', options).read('model.safetensors'),
    ]);
    expect([a, b]).toEqual([weights, weights]);
    expect(server.requests.filter(({ server, range }) => server === 'cdn' && range === 'bytes=0-29999').length).toBe(1);
  });
});

describe('from the cache alone', () => {
  /** What huggingface_hub leaves. */
  const pythonCache = async (root: string) => {
    const at = join(root, 'models--owner--name');
    await mkdir(join(at, 'blobs'), { recursive: true });
    await mkdir(join(at, 'refs'));
    await mkdir(join(at, 'snapshots', COMMIT), { recursive: true });
    await writeFile(join(at, 'refs/main'), COMMIT);
    await writeFile(join(at, 'blobs', sha256(weights)), weights);
    await symlink(join('../../blobs', sha256(weights)), join(at, 'snapshots', COMMIT, 'model.safetensors'));
  };

  it('reads what Python downloaded', async () => {
    await pythonCache(cacheDir);
    expect(await hub('owner/name', options).read('model.safetensors')).toEqual(weights);
    expect(lines('cdn')).toEqual([]);
  });

  it('asks nobody when offline', async () => {
    await pythonCache(cacheDir);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    for (const source of [hub('owner/name', options), hub('owner/name', { ...options, localFilesOnly: true, revision: COMMIT })]) {
      expect(await source.read('model.safetensors', 5, 8)).toEqual(weights.slice(5, 8));
      expect(await source.size('model.safetensors')).toBe(weights.length);
      expect(await source.has('config.json')).toBe(false);
      expect(await errorOf(source.read('config.json'))).toContain('there is no file config.json in the cache of');
    }
    expect(await errorOf(hub('owner/other', options).has('x'))).toContain('is not in the cache');
    expect(server.requests).toEqual([]);
  });

  it('takes what the cache holds, with a warning, when the hub cannot be reached', async () => {
    await pythonCache(cacheDir);
    doNotWait();
    const unreachable = { ...options, fetch: async () => Promise.reject(new TypeError('fetch failed', { cause: new Error('no route') })) };
    expect(await hub('owner/name', unreachable).read('model.safetensors')).toEqual(weights);
    expect(warnings).toEqual([expect.stringContaining('cannot be reached: no route; what the cache holds is used')]);
  });

  it('follows the environment', async () => {
    vi.stubEnv('HF_ENDPOINT', `${server.endpoint}/`);
    vi.stubEnv('HF_TOKEN', `${TOKEN}\n`);
    vi.stubEnv('HF_HOME', cacheDir);
    expect(await hub('owner/name').read('config.json')).toEqual(config);
    expect((await lstat(join(cacheDir, 'hub/models--owner--name/snapshots', COMMIT, 'config.json'))).isSymbolicLink()).toBe(true);
    vi.stubEnv('HF_HUB_CACHE', join(cacheDir, 'other'));
    await hub('owner/name').read('config.json');
    expect(existsSync(join(cacheDir, 'other/models--owner--name'))).toBe(true);
    const kept = await Promise.all(
      (await readdir(cacheDir, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map((entry) => readFile(join(entry.path, entry.name), 'utf8')),
    );
    expect(kept.join()).not.toContain(TOKEN);
  });
});

describe('in a browser', () => {
  beforeEach(() => {
    vi.mocked(nodeFs.nodeModules).mockResolvedValue(undefined);
  });

  it('reads ranges over the network and keeps nothing', async () => {
    const source = hub('owner/name', options);
    expect(await source.has('config.json')).toBe(true);
    expect(await source.has('x.json')).toBe(false);
    expect(await source.read('model.safetensors', 100, 200)).toEqual(weights.slice(100, 200));
    expect(server.requests.at(-1)).toMatchObject({ server: 'cdn', range: 'bytes=100-199', authorization: undefined });
    expect(await source.read('model.safetensors', 7, 7)).toEqual(new Uint8Array(0));
    expect(await errorOf(source.read('model.safetensors', 0, 30_001))).toContain('has 30000 bytes');
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it('resumes what was cut, and takes its part of what was sent whole', async () => {
    server.cuts = [1000];
    const source = hub('owner/name', options);
    expect(await source.read('model.safetensors', 100, 5000)).toEqual(weights.slice(100, 5000));
    expect(server.requests.at(-1)?.range).toBe('bytes=1100-4999');
    server.ignoresRanges = true;
    expect(await source.read('model.safetensors', 100, 5000)).toEqual(weights.slice(100, 5000));
  });

  it('has no cache to ask', async () => {
    expect(await errorOf(hub('owner/name', { ...options, localFilesOnly: true }).has('x'))).toContain('there is none here');
  });
});

describe('pushToHub', () => {
  const push = (more: object = {}) =>
    pushToHub(
      'owner/name',
      { 'adapter_config.json': '{"r": 8}', 'adapter_model.safetensors': new TextEncoder().encode('weights') },
      { endpoint: server.endpoint, token: TOKEN, ...more },
    );

  it('makes the repository and uploads the bytes as one commit', async () => {
    expect(await push({ private: true, commitMessage: 'Trained' })).toBe(`${server.endpoint}/owner/name/commit/${COMMIT}`);
    expect(server.made).toEqual([expect.objectContaining({ name: 'name', organization: 'owner', visibility: 'private' })]);
    expect(server.pushed).toEqual({ 'adapter_config.json': '{"r": 8}', 'adapter_model.safetensors': 'weights', '(message)': 'Trained' });
    expect(server.requests.filter(({ server }) => server === 'cdn').map(({ authorization }) => authorization)).toEqual([undefined]);
    await push();
    expect(server.pushed['(message)']).toBe('Upload files');
  });

  it('tries again when the hub is overloaded', async () => {
    let refusals = 0;
    server.intercept = (request, response) =>
      Boolean(request.url?.includes('/commit/') && refusals++ < 2 && response.writeHead(429, { 'Retry-After': '0' }).end());
    await push();
    expect(Object.keys(server.pushed).length).toBe(3);
  });

  it('says what to do where it may not write', async () => {
    expect(await errorOf(push({ token: undefined }))).toMatch(/needs a token: set HF_TOKEN/);
    expect(await errorOf(push({ token: 'hf_other' }))).toContain('the token sent may not write there');
    expect(await errorOf(push({ revision: 'nowhere' }))).toContain('there is no branch nowhere');
    expect(await errorOf(push({ token: `${TOKEN} ${TOKEN}` }))).toContain('characters that no token has');
    expect(await errorOf(pushToHub('name', {}, { token: TOKEN }))).toContain('lacks an owner');
    expect(await errorOf(pushToHub('owner/name', { '../x': '' }, { endpoint: server.endpoint, token: TOKEN }))).toContain(
      'must stay inside its folder',
    );
    expect(server.pushed).toEqual({});
  });
});
