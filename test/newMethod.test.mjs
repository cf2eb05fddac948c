// What `npm run new:method` makes has to compile, pass its tests and overwrite nothing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { tool } from '../scripts/run.mjs';
import { root } from '../scripts/workspace.mjs';

// Where the tests of examples are found; another name each time, so that two runs do not meet.
const dir = `examples/new-method-${process.pid}`;
const folder = join(root, dir);
after(() => rmSync(folder, { recursive: true, force: true }));

const generate = (...args) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/newMethod.mjs', ...args], { cwd: root, encoding: 'utf8' });
  return { status, output: stdout + stderr };
};
const read = (path) => readFileSync(join(folder, path), 'utf8');

test('a new method compiles and passes its tests', () => {
  const { status, output } = generate('swift-scale-2', '--dir', dir);
  assert.equal(status, 0, output);
  assert.match(output, /vitest run examples\/new-method/);
  assert.match(read('src/config.ts'), /peft_type: 'SWIFT_SCALE_2'/);
  assert.match(read('src/index.ts'), /swiftScale2, swiftScale2Config \} from '.\/swiftScale2'/);
  assert.equal(JSON.parse(read('package.json')).name, 'peft-swift-scale-2');
  for (const path of ['README.md', 'src/swiftScale2.ts', 'src/SwiftScale2Layer.ts', 'src/swiftScale2.test.ts'])
    assert.doesNotMatch(read(path), /new.?method/i);

  // The root's paths lead to the packages' sources.
  const tsconfig = JSON.stringify({ extends: '../../tsconfig.json', include: ['src', 'tsup.config.ts'], exclude: [] });
  writeFileSync(join(folder, 'tsconfig.test.json'), tsconfig);
  tool('tsc', ['-p', join(folder, 'tsconfig.test.json')], { quiet: true });
  tool('vitest', ['run', dir], { quiet: true });
  tool('biome', ['check', '--error-on-warnings', dir], { quiet: true });
});

test('nothing is overwritten', () => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'mine.txt'), 'mine');
  const { status, output } = generate('another', '--dir', dir);
  assert.equal(status, 1);
  assert.match(output, /exists already: nothing was written/);
  assert.ok(!existsSync(join(folder, 'src/another.ts')));
});

test('names that cannot be are refused', () => {
  const wrong = {
    Lora: /small letters/,
    '../up': /small letters/,
    'a--b': /small letters/,
    core: /there is a package "core"/,
    class: /has a meaning/,
    linear: /has a meaning/,
    config: /has a meaning/,
  };
  for (const [name, message] of Object.entries(wrong)) {
    const { status, output } = generate(name);
    assert.equal(status, 1, name);
    assert.match(output, message);
  }
  assert.match(generate().output, /usage/);
  assert.match(generate('outside', '--dir', '../outside').output, /outside this repository/);
});
