import { expect, it } from 'vitest';
import { atMost } from './atMost';

it('runs so many tasks at once, all of them, also where some fail', async () => {
  const inTurn = atMost(3);
  let running = 0;
  let most = 0;
  const tasks = Array.from({ length: 20 }, (_, i) =>
    inTurn(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 1 + (i % 3)));
      running--;
      if (i % 5 === 0) throw new Error(`task ${i}`);
      return i;
    }),
  );
  const results = await Promise.allSettled(tasks);
  expect(most).toBe(3);
  expect(results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.message))).toEqual(
    Array.from({ length: 20 }, (_, i) => (i % 5 === 0 ? `task ${i}` : i)),
  );
});
