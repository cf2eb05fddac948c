// "Install only what you need": four packages as published, in an empty folder, with no method but LoRA on disk.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { pnpm, run } from '../scripts/run.mjs';
import { packages, readJson, root } from '../scripts/workspace.mjs';

const needed = ['auto', 'core', 'lora', 'models'];
const folder = mkdtempSync(join(tmpdir(), 'install-'));
after(() => rmSync(folder, { recursive: true }));

before(() => {
  const tarballs = packages()
    .filter(({ name }) => needed.includes(name))
    .map(({ folder: from }) => JSON.parse(pnpm(['--dir', from, 'pack', '--json', '--pack-destination', folder], { quiet: true })).filename);
  const engines = ['tfjs-core', 'tfjs-backend-wasm'].map((name) => {
    const { version } = readJson(join(root, 'node_modules/@tensorflow', name, 'package.json'));
    return `@tensorflow/${name}@${version}`;
  });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const options = ['--no-audit', '--no-fund', '--prefer-offline'];
  run('npm', ['install', ...options, ...tarballs, ...engines], { quiet: true, cwd: folder, shell: process.platform === 'win32' });
  symlinkSync(join(root, 'models'), join(folder, 'models'), 'junction');
});

const [example] = [...readFileSync(join(root, 'packages/auto/README.md'), 'utf8').matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(
  ([, code]) => code,
);
/** A program in CommonJS: imports become calls, and what waits stands in a function. */
const asCommonJs = (code) =>
  `(async () => {\n${code.replace(/^import (.*) from (.*);$/gm, 'const $1 = require($2);')}\n})().catch((error) => {\n  console.error(error);\n  process.exit(1);\n});\n`;

function execute(file, code) {
  writeFileSync(join(folder, file), file.endsWith('.cjs') ? asCommonJs(code) : code);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: folder, encoding: 'utf8', timeout: 300_000 });
  return { status, output: stdout + stderr };
}

test('no other method is on disk', () => {
  assert.deepEqual(readdirSync(join(folder, 'node_modules/@peft')).sort(), needed);
});

for (const file of ['example.mjs', 'example.cjs']) {
  test(`the README's example runs as ${file}`, () => {
    assert.match(example, /^import /m);
    const { status, output } = execute(file, example);
    assert.equal(status, 0, output);
    assert.match(output, /The state of the union/);
  });

  test(`a method that is not installed is asked for, in ${file}`, () => {
    mkdirSync(join(folder, 'ia3'), { recursive: true });
    writeFileSync(join(folder, 'ia3/adapter_config.json'), JSON.stringify({ peft_type: 'IA3', task_type: 'CAUSAL_LM' }));
    const code = "import { AutoPeftModelForCausalLM } from '@peft/auto';\nawait AutoPeftModelForCausalLM.fromPretrained('ia3');\n";
    const { status, output } = execute(file, code);
    assert.equal(status, 1);
    assert.match(output, /this adapter needs @peft\/ia3, which is not installed: npm install @peft\/ia3/);
  });
}

test('a bundler splits it, and goes on without the methods that are not there', async () => {
  const { metafile, warnings } = await build({
    stdin: { contents: "export { AutoPeftModelForCausalLM } from '@peft/auto';", resolveDir: folder },
    absWorkingDir: folder,
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    outdir: 'bundle',
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
    external: ['@tensorflow/*', '@huggingface/hub', 'node:*'],
  });
  const outputs = Object.values(metafile.outputs);
  const entry = outputs.find(({ entryPoint }) => entryPoint === '<stdin>');
  const atOnce = new Set();
  const follow = ({ inputs, imports }) => {
    for (const path of Object.keys(inputs)) atOnce.add(path);
    for (const { path, kind } of imports) if (kind === 'import-statement' && metafile.outputs[path]) follow(metafile.outputs[path]);
  };
  follow(entry);
  const of = (name) => (path) => path.includes(`/@peft/${name}/`);
  assert.ok([...atOnce].some(of('auto')));
  assert.ok(![...atOnce].some(of('lora')), "the entry holds a method's code");
  assert.ok(outputs.some(({ inputs }) => Object.keys(inputs).some(of('lora'))));
  assert.ok(
    warnings.every(({ text }) => /Could not resolve "@peft\/[\w-]+"|ignored-bare-import/.test(text)),
    JSON.stringify(warnings),
  );
});
