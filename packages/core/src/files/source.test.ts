import { File } from 'node:buffer';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { safePath } from './paths';
import { folder, memory, openSource, type Source, within } from './source';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'source-'));
  await mkdir(join(root, 'sub'));
  await writeFile(join(root, 'a.txt'), 'hello');
  await writeFile(join(root, 'sub/b.txt'), 'there');
});
afterEach(() => rm(root, { recursive: true }));

const text = async (bytes: Promise<Uint8Array>) => new TextDecoder().decode(await bytes);
const both = (): Source[] => [
  folder(root),
  memory({ 'a.txt': 'hello', 'sub/b.txt': new TextEncoder().encode('there') }),
  memory({ 'a.txt': new Blob(['hello']), 'sub/b.txt': new File(['there'], 'b.txt') as Blob }),
];

it('reads files, parts of them and their sizes', async () => {
  for (const source of both()) {
    expect(await Promise.all(['a.txt', 'sub/b.txt', 'sub', 'c.txt'].map((path) => source.has(path)))).toEqual([true, true, false, false]);
    expect(await source.size('a.txt')).toBe(5);
    expect(await text(source.read('a.txt'))).toBe('hello');
    expect(await text(source.read('sub/b.txt', 1))).toBe('here');
    expect(await text(source.read('a.txt', 1, 3))).toBe('el');
    expect(await source.read('a.txt', 5, 5)).toEqual(new Uint8Array(0));
  }
});

it('lists files', async () => {
  for (const source of both()) {
    expect([...((await source.list?.()) ?? [])].sort()).toEqual(['a.txt', 'sub/b.txt']);
    expect(await within(source, 'sub').list?.()).toEqual(['b.txt']);
  }
  expect(within({ ...memory({}), list: undefined } as unknown as Source, 'sub').list).toBeUndefined();
});

it('says which file or bytes are missing', async () => {
  for (const source of both()) {
    await expect(source.size('c.txt')).rejects.toThrow('there is no file c.txt');
    await expect(source.read('c.txt')).rejects.toThrow('c.txt');
    await expect(source.read('a.txt', 0, 6)).rejects.toThrow('has 5 bytes: there are no bytes 0 to 6');
    await expect(source.read('a.txt', 3, 2)).rejects.toThrow('there are no bytes 3 to 2');
    await expect(source.read('a.txt', -1, 2)).rejects.toThrow('there are no bytes -1 to 2');
  }
});

it('keeps to its folder', async () => {
  const names = ['../x', 'sub/../../x', '/etc/passwd', 'C:\\x', 'a\\..\\x', '', '.', './a.txt', 'sub//b.txt', 'a\0.txt'];
  for (const name of names) {
    expect(() => safePath(name)).toThrow('must stay inside its folder');
    for (const source of [...both(), await openSource(root, { subfolder: 'sub' })]) {
      for (const ask of [source.has, source.size, source.read]) await expect(ask(name)).rejects.toThrow('must stay inside its folder');
    }
  }
  await expect(openSource(root, { subfolder: '../x' })).rejects.toThrow('must stay inside its folder');
});

it('opens folders, files in memory, sources and subfolders of all', async () => {
  for (const where of [root, { 'sub/b.txt': 'there' }, memory({ 'sub/b.txt': 'there' })]) {
    expect(await text((await openSource(where)).read('sub/b.txt'))).toBe('there');
    expect(await text((await openSource(where, { subfolder: 'sub/' })).read('b.txt'))).toBe('there');
  }
  await expect(openSource('./not/here')).rejects.toThrow('"./not/here" is no folder here, and no name of a hub repository');
});

it('does not take memory files by names that every object has', async () => {
  expect(await memory({}).has('constructor')).toBe(false);
  await expect(memory({}).read('toString')).rejects.toThrow('there is no file toString among no files');
});

it('gives bytes that can be changed without changing the file', async () => {
  const bytes = Uint8Array.of(1, 2);
  const source = memory({ x: bytes });
  (await source.read('x')).fill(9);
  expect(bytes).toEqual(Uint8Array.of(1, 2));
});

it('reads a thousand parts at once', async () => {
  const source = folder(root);
  const parts = await Promise.all(Array.from({ length: 3000 }, (_, i) => source.read('a.txt', i % 5, (i % 5) + 1)));
  expect(new TextDecoder().decode(Uint8Array.from(parts.slice(0, 5).flatMap((part) => [...part])))).toBe('hello');
});

it('reads Buffers that share their memory with others', async () => {
  const shared = Buffer.alloc(64, 7);
  const part = shared.subarray(8, 12);
  const bytes = await memory({ part }).read('part');
  expect([...bytes]).toEqual([7, 7, 7, 7]);
  expect(bytes.buffer.byteLength).toBe(4);
});

it('says which file cannot be read any more', async () => {
  const lost = Object.assign(new Blob(['hello']), { slice: () => ({ arrayBuffer: () => Promise.reject(new Error('gone')) }) });
  await expect(memory({ 'a.txt': lost as unknown as Blob }).read('a.txt')).rejects.toThrow('the file a.txt cannot be read any more');
});
