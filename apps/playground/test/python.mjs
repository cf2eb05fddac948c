// Shows that Python PEFT reads the adapters that the page trains, and computes the same scores:
//   PEFT_PYTHON=<a Python that has PEFT> node apps/playground/test/python.mjs
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CHROMIUM } from './chromium.mjs';
import { farthest } from './node.mjs';
import { openPage } from './page.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const IDS = [12, 345, 67, 890, 123, 456, 78, 901];
const python = process.env.PEFT_PYTHON;
if (!python || !CHROMIUM) {
  console.log(`skipped: there is no ${python ? 'Chromium here' : 'PEFT_PYTHON, the path of a Python that has PEFT'}`);
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'playground-'));
const page = await openPage(folder);
let failed = false;
try {
  await page.well();
  await page.set({ steps: 4, batch_size: 2, block: 16 });
  await page.page.fill('#write-tokens', '1');
  const methods = await page.page.locator('#method-choice option').evaluateAll((options) => options.map(({ value }) => value));
  for (const [place, method] of methods.entries()) {
    await page.page.selectOption('#method-choice', method);
    if (method === 'ADALORA') await page.set({ tinit: 1, tfinal: 1, deltaT: 1 });
    await page.train();
    await page.download(
      page
        .adapter(place)
        .getByRole('button', { name: /^Download/ })
        .first(),
      2,
      method,
    );
    const ours = await page.logits(IDS, place);
    const args = [here('logits.py'), here('../../../models/sotu-0.9m'), join(folder, method), JSON.stringify(IDS)];
    const { status, stdout, stderr } = spawnSync(python, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
    const difference = status === 0 ? farthest(ours, JSON.parse(stdout.trim().split('\n').at(-1))) : Number.NaN;
    const good = difference < 1e-4;
    failed ||= !good;
    console.log(
      `${method.padEnd(16)} ${good ? 'good' : 'BAD '}  ${ours.length} scores, farthest apart ${difference.toExponential(1)}${status === 0 ? '' : `\n${stderr}`}`,
    );
  }
} finally {
  await page.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
