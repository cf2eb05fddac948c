import { existsSync } from 'node:fs';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useEngine } from '../engine/index';
import { fixture } from './fixtures/fixtures';
import { readSafetensors, type StoredTensor, writeSafetensors } from './safetensors';
import { folder, memory, within } from './source';
import { readTorch } from './torchFile';
import { valuesOf } from './valuesOf';

const hasNative = Boolean(process.env.PEFT_NATIVE && existsSync(process.env.PEFT_NATIVE));
const large = Float32Array.from({ length: 3 * 4096 }, (_, i) => Math.sin(i));

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'values-'));
  for (const name of ['types.safetensors', 'types.bin', 'views.bin', 'legacy.bin']) await writeFile(join(root, name), await fixture(name));
  const tensors = {
    odd: { dtype: 'F32', shape: [3], data: large.subarray(0, 3) },
    matrix: { dtype: 'F32', shape: [3, 4096], data: large },
  };
  for (const alignment of [8, 64]) await writeFile(join(root, `${alignment}.safetensors`), writeSafetensors(tensors, undefined, alignment));
});
afterAll(() => rm(root, { recursive: true }));

const open = (name: string) =>
  (name.endsWith('.bin') ? readTorch : readSafetensors)(within(folder(join(root, '..')), root.split('/').at(-1) as string), name);

describe.each([
  ['wasm', true],
  ['native', hasNative],
] as const)('on the %s engine', (engine, isThere) => {
  beforeAll(async () => {
    if (isThere) await useEngine({ engine, log: () => {} });
  });

  it.skipIf(!isThere).each(['types.safetensors', 'types.bin', 'views.bin', 'legacy.bin', '8.safetensors', '64.safetensors'])(
    'a tensor has the values that %s holds',
    async (name) => {
      const checkpoint = await open(name);
      expect(checkpoint.size).toBeGreaterThan(0);
      for (const [, stored] of checkpoint) {
        const before = tf.memory().numTensors;
        const tensor = await valuesOf(stored);
        expect(tf.memory().numTensors).toBe(before + 1);
        expect(tensor.dtype).toBe('float32');
        expect(tensor.shape).toEqual(stored.shape);
        expect(await tensor.data()).toEqual(Float32Array.from(await stored.data()));
        tensor.dispose();
      }
    },
  );

  it.skipIf(!isThere)('a file that has gone or shrunk since is an error, not a crash', async () => {
    for (const spoil of [(file: string) => rm(file), (file: string) => truncate(file, 1000)]) {
      const file = join(root, 'spoilt.safetensors');
      await writeFile(file, writeSafetensors({ a: { dtype: 'F32', shape: [3, 4096], data: large } }, undefined, 64));
      const stored = (await open('spoilt.safetensors')).get('a') as StoredTensor;
      await spoil(file);
      await expect(valuesOf(stored)).rejects.toThrow(/spoilt\.safetensors/);
    }
  });
});

it('what lies in memory or in pieces has no place in a file', async () => {
  const inMemory = await readSafetensors(memory({ x: await fixture('types.safetensors') }), 'x');
  expect(await Promise.all([...inMemory.values()].map((stored) => stored.place()))).toEqual(Array(inMemory.size).fill(undefined));
  const views = [...(await open('views.bin')).values()];
  const places = await Promise.all(views.map((stored) => stored.place()));
  expect(places).toContain(undefined);
  expect(places.some((place) => place !== undefined)).toBe(true);
});
