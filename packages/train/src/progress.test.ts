import { expect, it } from 'vitest';
import type { ProgressState } from './ProgressReporter';
import { progress } from './progress';

async function run(isTTY: boolean, options = {}) {
  const written: string[] = [];
  const stream = { isTTY, columns: 100, write: (text: string) => written.push(text) };
  const seen: number[] = [];
  for await (const { batch, update } of progress(
    Array.from({ length: 40 }, (_, i) => i),
    { label: 'train', stream, ...options },
  )) {
    seen.push(batch);
    update({ loss: 2, tokens: 100 });
  }
  return { seen, written };
}

it('writes lines where there is no terminal', async () => {
  const { seen, written } = await run(false);
  expect(seen).toHaveLength(40);
  expect(written).toHaveLength(10);
  expect(written[4]).toMatch(/^train {2}20\/40 {2}50% {2}loss 2\.0000 {2}\d+ tokens\/s {2}0:00 left\n$/);
});

it('draws a bar on a terminal and leaves its line at the end', async () => {
  const { written } = await run(true);
  const last = written.at(-1) as string;
  expect(last).toMatch(/^\rtrain {2}█+ {2}40\/40 {2}100% {2}loss 2\.0000/);
  expect(last.endsWith('\n')).toBe(true);
  expect(written.slice(0, -1).some((text) => text.includes('\n'))).toBe(false);
});

it('tells a callback each step instead, and takes asynchronous batches', async () => {
  const states: ProgressState[] = [];
  const later = async function* () {
    yield 1;
    yield 2;
  };
  for await (const { update } of progress(later(), { total: 2, onProgress: (state) => states.push(state) })) update({ loss: 1 });
  expect(states.map(({ done, total, loss }) => [done, total, loss])).toEqual([
    [1, 2, 1],
    [2, 2, 1],
  ]);
});
