import { describe, expect, it } from 'vitest';
import { dataLoader } from './dataLoader';
import { textBlocks } from './textBlocks';

const ten = Array.from({ length: 10 }, (_, i) => i);

describe('dataLoader', () => {
  it('gives all examples in order, the last batch as it is or dropped', () => {
    const loader = dataLoader(ten, { batch_size: 4 });
    expect([...loader]).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
    expect(loader.length).toBe(3);
    expect([...dataLoader(ten, { batch_size: 4, dropLast: true })]).toHaveLength(2);
  });

  it('shuffles anew each epoch, the same for the same seed', () => {
    const loader = dataLoader(ten, { batch_size: 3, shuffle: true, seed: 5 });
    const [first, second] = [[...loader].flat(), [...loader].flat()];
    expect(loader.epoch).toBe(2);
    expect(first).not.toEqual(second);
    expect(first).not.toEqual(ten);
    expect([...first].sort()).toEqual(ten);
    loader.epoch = 1;
    expect([...loader].flat()).toEqual(second);
    expect([...dataLoader(ten, { batch_size: 10, shuffle: true, seed: 5 })].flat()).toEqual(first);
    expect([...dataLoader(ten, { batch_size: 10, shuffle: true, seed: 6 })].flat()).not.toEqual(first);
  });

  it('goes on from any batch of any epoch', () => {
    const make = () => dataLoader(ten, { batch_size: 3, shuffle: true });
    const stream = (loader: ReturnType<typeof make>, count: number) => {
      const got: string[] = [];
      while (got.length < count) for (const batch of loader) if (got.push(batch.join()) >= count) break;
      return got;
    };
    const whole = stream(make(), 10);
    for (let cut = 1; cut < 9; cut++) {
      const before = make();
      stream(before, cut);
      const after = make();
      after.load(before.state());
      expect(stream(after, 10 - cut)).toEqual(whole.slice(cut));
    }
  });

  it('reads what comes later', async () => {
    const loader = dataLoader({ length: 3, get: async (i: number) => ({ id: i }) }, { batch_size: 2 });
    const batches = [];
    for await (const batch of loader) batches.push(batch);
    expect(batches).toEqual([{ id: [0, 1] }, { id: [2] }]);
    expect(() => [...(loader as unknown as Iterable<unknown>)]).toThrow(/for await/);
    expect([...dataLoader({ length: 2, get: (i: number) => i })]).toEqual([[0], [1]]);
  });

  it('refuses a wrong size', () => {
    expect(() => dataLoader(ten, { batch_size: 0 })).toThrow(/above 0/);
  });
});

it('textBlocks cuts ids and drops the rest', () => {
  expect(textBlocks(ten, 4)).toEqual([{ input_ids: [0, 1, 2, 3] }, { input_ids: [4, 5, 6, 7] }]);
  expect(() => textBlocks(ten, 0)).toThrow(/above 0/);
});
