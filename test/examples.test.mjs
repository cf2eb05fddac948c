// Runs the guides' programs on their stand-ins, with a loop of one's own and by the Trainer; each judges its result by itself.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../scripts/workspace.mjs';

/** What makes an example shorter. */
const short = {
  '1-image-classification': ['--epochs', '3'],
  '7-merging': ['--steps', '25'],
  '8-methods': ['--steps', '20'],
};

for (const name of readdirSync(join(root, 'examples')).filter((name) => /^\d/.test(name)))
  for (const form of [[], ['--trainer']])
    test(`${name} ${form}`, () => {
      const program = join(root, 'examples', name, 'main.mjs');
      const options = [...(short[name] ?? []), ...form];
      const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...options], {
        cwd: root,
        encoding: 'utf8',
        timeout: 600_000,
      });
      assert.equal(status, 0, `${stdout}\n${stderr}`);
      assert.match(stdout, /^as expected: /m);
      assert.doesNotMatch(stdout, /NOT AS EXPECTED/);
    });
