// What was built, in plain Node, as ES modules; and beside a copy of itself as bundlers take it.
import '@tensorflow/tfjs-backend-wasm';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import * as core from '@peft/core';
import { ia3, ia3Config } from '@peft/ia3';
import { lora, loraConfig } from '@peft/lora';
import * as tf from '@tensorflow/tfjs-core';
import { packages } from '../scripts/workspace.mjs';
import { trainTinyModel } from './trainTinyModel.cjs';

const require = createRequire(import.meta.url);
before(() => tf.setBackend('wasm'));

for (const { folder, manifest } of packages())
  for (const path of Object.keys(manifest.exports).filter((path) => !path.endsWith('.json')))
    test(`${manifest.name}${path.slice(1)} is imported, and names the same as when it is required`, async () => {
      const specifier = manifest.name + path.slice(1);
      const names = (exported) =>
        Object.keys(exported)
          .filter((name) => name !== 'default' && name !== 'module.exports')
          .sort();
      const [imported, required] = [await import(specifier), require(specifier)];
      assert.deepEqual(names(imported), names(required));
      for (const name of names(required)) assert.equal(imported[name], required[name], `there are two copies of ${name}`);
      const forBundlers = await import(new URL(manifest.exports[path].import.module, pathToFileURL(`${folder}/`)));
      assert.deepEqual(names(forBundlers), names(required));
    });

test('importing the packages does nothing', () => {
  const program = `
    const tf = await import('@tensorflow/tfjs-core');
    const state = () => ({
      globals: Reflect.ownKeys(globalThis).map(String),
      tensors: tf.engine().state.numTensors,
      engines: Object.keys(tf.engine().registryFactory),
      listeners: process.eventNames().map(String),
    });
    const before = state();
    for (const name of ${JSON.stringify(packages().map(({ manifest }) => manifest.name))}) await import(name);
    console.log(JSON.stringify([before, state()]));`;
  const cwd = new URL('.', import.meta.url);
  const [first, then] = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '--eval', program], { cwd, encoding: 'utf8' }));
  assert.deepEqual(then, first);
});

test('LoRA: attach, train, save, load, merge', () =>
  trainTinyModel(tf, core, lora, loraConfig({ r: 2, target_modules: ['first', 'last'] })));
test('(IA)3: attach, train, save, load, merge', () =>
  trainTinyModel(tf, core, ia3, ia3Config({ target_modules: ['first', 'last'], feedforward_modules: ['last'] })));

test('two copies in one program, one of them bundled, know the same methods and modules', async () => {
  const other = await import('../packages/core/dist/index.js');
  assert.notEqual(core.registerTuner, other.registerTuner, 'there are two copies');
  const tuner = { ...lora, type: 'TRY' };
  core.registerTuner(tuner);
  assert.equal(other.findTuner('TRY'), tuner);
  other.registerTuner({ ...lora, type: 'TRY_AGAIN' });
  assert.equal(core.findTuner('TRY_AGAIN').type, 'TRY_AGAIN');
  assert.ok(core.isA(new other.Linear(2, 2), core.Linear));
  await trainTinyModel(tf, other, lora, loraConfig({ r: 2, target_modules: ['first'] }));
});
