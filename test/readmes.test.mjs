// Runs every ```js block of the READMEs as it stands, in the repository's root, with what was built.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { packages, readmes, root } from '../scripts/workspace.mjs';

const folder = join(root, '.cache', 'readmes');

for (const path of readmes()) {
  const blocks = [...readFileSync(join(root, path), 'utf8').matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
  if (packages().some(({ name }) => path === `packages/${name}/README.md`))
    test(`${path} has an example`, () => assert.ok(blocks.length > 0));
  blocks.forEach((code, i) => {
    test(`${path}, example ${i + 1}`, () => {
      mkdirSync(folder, { recursive: true });
      const file = join(folder, `${path.replaceAll('/', '-')}-${i + 1}.mjs`);
      writeFileSync(file, code);
      const { status, stderr, stdout } = spawnSync(process.execPath, [file], { cwd: root, encoding: 'utf8', timeout: 300_000 });
      assert.equal(status, 0, `${stdout}\n${stderr}`);
      rmSync(file);
    });
  });
}
