// npm test: everything the project checks, in order, ending at the first failure. `--quick`: types and unit tests alone.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureBuilt, ensureInstalled } from './built.mjs';
import { node, tool } from './run.mjs';
import { root } from './workspace.mjs';

const quick = process.argv.includes('--quick');

/** Where the native engine is, if it is installed: `npm run -s bench` and scripts/installNative.mjs put it here. */
const native = process.env.PEFT_NATIVE ?? join(root, '.cache/native');

/** Name, what runs, and what it cannot run without. */
const all = [
  ['install and build', () => ensureBuilt({ apps: true })],
  ['lint and format', () => tool('biome', ['check', '--error-on-warnings'])],
  ['types', () => tool('tsc', ['-p', 'tsconfig.json'])],
  ['the checker of arrows', () => node(['--test', '--test-reporter=dot', 'test/checkArrows.test.mjs'])],
  ['arrows between packages', () => node(['scripts/checkArrows.mjs'])],
  ['unit tests', () => tool('vitest', ['run'])],
  [
    'conformance on the native engine',
    () => tool('vitest', ['run', 'conformance', '--reporter=dot'], { env: { PEFT_ENGINE: 'native', PEFT_NATIVE: native } }),
    native,
  ],
  ['packages as published', () => node(['scripts/checkPackages.mjs'])],
  ['bundles', () => node(['scripts/checkBundles.mjs'])],
  ['what was built, in plain Node', () => node(['--test', '--test-reporter=spec', 'test/dist.test.mjs', 'test/dist.test.cjs'])],
  ['pictures, also in a browser', () => node(['--test', '--test-reporter=spec', 'test/images.test.mjs'])],
  ['trainings that are killed', () => node(['--test', '--test-reporter=spec', 'test/killed.test.mjs'], { env: { PEFT_NATIVE: native } })],
  ['WebGPU in Node', () => node(['--test', '--test-reporter=spec', 'test/webgpu.test.mjs'])],
  ['counts from config files', () => node(['--test', '--test-reporter=spec', 'test/count.test.mjs'])],
  ['examples of the READMEs', () => node(['--test', '--test-reporter=spec', 'test/readmes.test.mjs'])],
  ['the command', () => node(['--test', '--test-reporter=spec', 'test/cli.test.mjs'])],
  ['installed alone', () => node(['--test', '--test-reporter=spec', 'test/install.test.mjs'])],
  ['independent versions', () => node(['scripts/checkChangesets.mjs'])],
  ['what a step costs', () => node(['bench/quick.mjs'])],
  ['the web page in Chromium', () => node(['--test', '--test-reporter=spec', 'apps/playground/test/playground.test.mjs'])],
  ['quickstart', () => node(['examples/quickstart/main.mjs', '--steps', '20']), 'packages/models/dist/index.js'],
  ["the guides' programs", () => node(['--test', '--test-reporter=spec', 'test/examples.test.mjs'])],
  ['reference numbers', () => node(['scripts/reference.mjs', 'fixtures/reference']), 'scripts/reference.mjs', 'fixtures/reference'],
];
const few = [
  ['install', ensureInstalled],
  ['types', () => tool('tsc', ['-p', 'tsconfig.json'])],
  ['unit tests', () => tool('vitest', ['run', '--reporter=dot'], { env: { PEFT_QUICK: '1' } })],
];

const parts = quick ? few : all;
const skipped = [];
const started = performance.now();
for (const [index, [name, work, ...needs]] of parts.entries()) {
  const from = performance.now();
  console.log(`\n=== ${index + 1}/${parts.length} ${name}`);
  const missing = needs.find((path) => !existsSync(resolve(root, path)));
  if (missing) {
    console.log(`skipped: there is no ${missing}`);
    skipped.push(name);
    continue;
  }
  try {
    work();
  } catch (error) {
    console.log(`\nFAILED ${name}, after ${seconds(from)}: ${error.message}`);
    process.exit(1);
  }
  console.log(`--- ${name}: good, ${seconds(from)}`);
}
console.log(
  `\n${parts.length - skipped.length} parts are good, ${seconds(started)}${skipped.length > 0 ? `; skipped: ${skipped.join(', ')}` : ''}`,
);

function seconds(from) {
  return `${((performance.now() - from) / 1000).toFixed(1)} s`;
}
