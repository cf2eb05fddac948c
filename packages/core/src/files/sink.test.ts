import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { folderSink, memorySink, openSink } from './sink';
import { memory } from './source';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sink-'));
});
afterEach(() => rm(root, { recursive: true }));

it('writes files into folders that it makes, and nothing else', async () => {
  const sink = await openSink(join(root, 'new/folder'));
  await sink.write('sub/a.txt', 'text');
  await sink.write('b.bin', Uint8Array.of(1, 2, 3).subarray(1));
  expect(await readFile(join(root, 'new/folder/sub/a.txt'), 'utf8')).toBe('text');
  expect([...(await readFile(join(root, 'new/folder/b.bin')))]).toEqual([2, 3]);
  expect((await readdir(join(root, 'new/folder'), { recursive: true })).sort()).toEqual(['b.bin', 'sub', 'sub/a.txt']);
});

it('shows readers the old file or the new one, never a part', async () => {
  const sink = folderSink(root);
  const texts = ['a', 'b'].map((letter) => letter.repeat(1_000_000));
  await sink.write('x', texts[0] as string);
  let writing = true;
  const written = Promise.all(Array.from({ length: 20 }, (_, i) => sink.write('x', texts[i % 2] as string))).finally(() => {
    writing = false;
  });
  const seen = new Set<string>();
  while (writing) seen.add(await readFile(join(root, 'x'), 'utf8'));
  await written;
  expect([...seen].every((text) => texts.includes(text))).toBe(true);
  expect(await readdir(root)).toEqual(['x']);
});

it('leaves the old file and no other when writing fails', async () => {
  await folderSink(root).write('x/y', 'old');
  // The new file cannot take the place of a folder.
  await expect(folderSink(root).write('x', 'new')).rejects.toThrow();
  expect((await readdir(root, { recursive: true })).sort()).toEqual(['x', 'x/y']);
});

it('keeps to its folder', async () => {
  for (const sink of [folderSink(root), memorySink()]) {
    for (const name of ['../x', '/x', 'a/../../x', '']) await expect(sink.write(name, '')).rejects.toThrow('must stay inside its folder');
  }
  expect(await readdir(root)).toEqual([]);
});

it('says that a file is no folder', async () => {
  await writeFile(join(root, 'file'), '');
  await expect(folderSink(join(root, 'file')).write('x', '')).rejects.toThrow('is a file: give the name of a folder');
});

it('keeps files in memory, which are a source', async () => {
  const sink = memorySink();
  const bytes = Uint8Array.of(1, 2);
  await (await openSink(sink)).write('a', bytes);
  await sink.write('b', 'é');
  bytes.fill(9);
  expect(sink.files).toEqual({ a: Uint8Array.of(1, 2), b: Uint8Array.of(0xc3, 0xa9) });
  expect(await memory(sink.files).size('b')).toBe(2);
});
