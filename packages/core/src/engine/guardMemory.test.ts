import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { guardMemory } from './guardMemory';
import { useEngine } from './index';

it('says that memory ran out instead of taking the address 0 for memory', () => {
  const asked: number[] = [];
  const wasm = {
    // As in the backend: the first call puts the function proper in its place.
    _malloc(bytes: number): number {
      asked.push(bytes);
      wasm._malloc = (more) => {
        asked.push(more);
        return more > 1000 ? 0 : 64;
      };
      return 32;
    },
  };
  guardMemory({ wasm });
  guardMemory({ wasm });
  expect(wasm._malloc(10)).toBe(32);
  expect(wasm._malloc(10)).toBe(64);
  expect(() => wasm._malloc(3 * 2 ** 20)).toThrow('out of memory: the wasm engine has no 3 MB left');
  expect(() => wasm._malloc(2 ** 32 + 8)).toThrow('out of memory');
  expect(asked).toEqual([10, 10, 3 * 2 ** 20]);
  expect(wasm._malloc(0)).toBe(64);
});

it('holds in the engine, which goes on afterwards', async () => {
  await useEngine({ engine: 'wasm', log: () => {} });
  // Half again more than 32-bit addresses reach.
  expect(() => tf.fill([3 * 2 ** 29], 1)).toThrow('out of memory');
  expect(tf.sum(tf.fill([10], 2)).dataSync()[0]).toBe(20);
});
