// The checker has to fail on a tree that is wrong, once for each rule.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { checkArrows } from '../scripts/checkArrows.mjs';

const core = { '@peft/core': '*', '@tensorflow/tfjs-core': '*' };

/** The problems of a repository made of these files; names in a package's manifest are its peer dependencies. */
function check(files, peers = {}) {
  const at = mkdtempSync(join(tmpdir(), 'arrows-'));
  const write = (path, text) => {
    mkdirSync(dirname(join(at, path)), { recursive: true });
    writeFileSync(join(at, path), text);
  };
  try {
    write('pnpm-workspace.yaml', 'packages:\n  - packages/*\n');
    for (const name of ['core', 'lora', 'ia3', 'models', 'train', 'testing']) {
      const peerDependencies = peers[name] ?? (name === 'core' ? { '@tensorflow/tfjs-core': '*' } : core);
      write(
        `packages/${name}/package.json`,
        JSON.stringify({ name: `@peft/${name}`, exports: { '.': '', './engine': '' }, peerDependencies }),
      );
    }
    for (const [path, text] of Object.entries(files)) write(`packages/${path}`, text);
    return checkArrows(at);
  } finally {
    rmSync(at, { recursive: true });
  }
}

test('a right tree has no problems', () => {
  const files = {
    'core/src/index.ts':
      "// as in LoRA\nimport * as tf from '@tensorflow/tfjs-core';\nimport './engine/index';\nexport const explorable = tf;",
    'core/src/engine/index.ts': "export const start = () => import('@tensorflow/tfjs-backend-wasm');",
    'core/src/x.test.ts': "import '@peft/lora';\nimport '@tensorflow/tfjs-backend-wasm';",
    'lora/src/index.ts':
      "import { readFile } from 'node:fs/promises';\nimport '@peft/core';\nimport '@peft/core/engine';\nexport { readFile };",
    'testing/src/index.ts': "import '@peft/core';\nimport type {} from '@peft/train';",
  };
  const peers = {
    core: { '@tensorflow/tfjs-core': '*', '@tensorflow/tfjs-backend-wasm': '*' },
    testing: { ...core, '@peft/train': '*' },
  };
  assert.deepEqual(check(files, peers), []);
});

const wrong = [
  ['core uses a package above it', { 'core/src/a.ts': "import '@peft/models';" }, /core\/src\/a\.ts:1: core must not use @peft\/models/],
  ['a method uses a method', { 'ia3/src/a.ts': "\nexport * from '@peft/lora';" }, /ia3\/src\/a\.ts:2: ia3 must not use @peft\/lora/],
  ['a method uses models, for types', { 'lora/src/a.ts': "import type { A } from '@peft/models';" }, /lora must not use @peft\/models/],
  ['models use a method, late', { 'models/src/a.ts': "export const a = () => import('@peft/lora');" }, /models must not use @peft\/lora/],
  ['train uses models', { 'train/src/a.ts': "export type A = import('@peft/models').A;" }, /train must not use @peft\/models/],
  ['testing uses a method', { 'testing/src/a.ts': "import '@peft/lora';" }, /testing must not use @peft\/lora/],
  ['a package is not declared', { 'train/src/a.ts': "import 'left-pad';" }, /left-pad is not declared in packages\/train\/package\.json/],
  ['a path into a package', { 'lora/src/a.ts': "import '@peft/core/src/warn';" }, /"@peft\/core\/src\/warn" is a deep import/],
  ['a path into tfjs', { 'lora/src/a.ts': "import '@tensorflow/tfjs-core/dist/ops/add';" }, /plain Node cannot load/],
  ['a path into the neighbour', { 'lora/src/a.ts': "import '../../core/src/warn';" }, /reaches outside/],
  ['an engine in product code', { 'lora/src/a.ts': "import '@tensorflow/tfjs-backend-wasm';" }, /only tfjs-core may be imported/],
  ['an engine loaded at once', { 'core/src/engine/a.ts': "import '@tensorflow/tfjs-backend-wasm';" }, /only tfjs-core may be imported/],
  [
    'core names a method in a text',
    { 'core/src/a.ts': "// LoRA\nexport const a = 'LORA';" },
    /core\/src\/a\.ts:2: core must name no method/,
  ],
  ['core names a method in a name', { 'core/src/a.ts': 'export const isIa3Layer = 1;' }, /core must name no method/],
  ['core names a method in a template', { 'core/src/a.ts': 'export const a = [`lora_A`, /b/];' }, /core must name no method/],
  ['core names a method in a pattern', { 'core/src/a.ts': 'export const a = /^lora_/;' }, /core must name no method/],
];
for (const [what, files, message] of wrong)
  test(`fails where ${what}`, () => {
    const problems = check(files);
    assert.ok(
      problems.some((problem) => message.test(problem)),
      `got: ${JSON.stringify(problems)}`,
    );
  });

test('fails where a package.json names a package that it must not use', () => {
  assert.match(check({}, { ia3: { ...core, '@peft/lora': '*' } }).join(), /ia3\/package\.json: peerDependencies name @peft\/lora/);
});
