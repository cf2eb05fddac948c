import { watchOthers } from './cpu.mjs';
import { Side } from './side.mjs';

/** Samples during which others kept more cores busy than this are thrown away. */
const QUIET = 0.2;
const LIMIT = 10 * 60_000;
/** Further apart than this, the two sides do not compute the same thing. */
const SAME = 1e-3;

/**
 * Runs both sides in turn until there are so many clean pairs, or ten minutes are over.
 * @returns `ours` and `theirs`: the clean samples; `pairs`, `discarded`; `outsideCpu`: the median of all samples
 */
export async function compare({ ours, theirs, measure }, pairs) {
  const sides = { ours: new Side(ours), theirs: new Side(theirs) };
  const result = { ours: [], theirs: [], discarded: 0, outside: [] };
  const deadline = performance.now() + LIMIT;
  try {
    for (const side of Object.values(sides)) await side.start();
    // The first pair warms up, and shows that both compute the same.
    checkSame(await sides.ours.sample(), await sides.theirs.sample());
    while (result.ours.length < pairs && performance.now() < deadline) {
      const pair = {};
      for (const name of result.ours.length % 2 ? ['theirs', 'ours'] : ['ours', 'theirs']) {
        // A fresh side has no process yet: what its children used is counted when they have ended.
        const others = watchOthers(sides[name].pid ? [sides[name].pid] : []);
        const answer = await sides[name].sample();
        pair[name] = { value: measure(answer), outside: others() };
      }
      result.outside.push(pair.ours.outside, pair.theirs.outside);
      if (pair.ours.outside > QUIET || pair.theirs.outside > QUIET) result.discarded++;
      else for (const name of ['ours', 'theirs']) result[name].push(pair[name].value);
    }
  } finally {
    for (const side of Object.values(sides)) await side.stop();
  }
  return result;
}

function checkSame({ check: ours }, { check: theirs }) {
  if (ours === undefined || theirs === undefined) return;
  if (typeof ours === 'number' && Math.abs(ours - theirs) <= SAME * Math.abs(theirs)) return;
  if (JSON.stringify(ours) === JSON.stringify(theirs)) return;
  throw new Error(`the two sides do not compute the same: ${JSON.stringify(ours)} here, ${JSON.stringify(theirs)} there`);
}

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
};
