// WebGPU in Node computes what wasm computes: where the package webgpu is, and a card or Chromium's software in the place of one.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { root } from '../scripts/workspace.mjs';

const folder = process.env.PEFT_WEBGPU ?? join(root, '.cache/webgpu');
const software = '/usr/lib/chromium/vk_swiftshader_icd.json';
const program = fileURLToPath(new URL('trainOnEngine.mjs', import.meta.url));

function isThere(name) {
  try {
    return Boolean(createRequire(join(folder, 'package.json')).resolve(name));
  } catch {
    return false;
  }
}

function run(engine) {
  const env = {
    ...process.env,
    PEFT_WEBGPU: folder,
    ...(existsSync(software) && { VK_DRIVER_FILES: software, VK_ICD_FILENAMES: software }),
  };
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, engine], { env, encoding: 'utf8', timeout: 300_000 });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

const missing = ['webgpu', '@tensorflow/tfjs-backend-webgpu'].filter((name) => !isThere(name));
const skip =
  missing.length > 0 &&
  `there is no ${missing.join(' and no ')}: npm install --prefix ${folder} webgpu @tensorflow/tfjs-backend-webgpu@4.22.0`;

test('a LoRA training, logits and generated ids on WebGPU are those of wasm', { skip }, () => {
  const [wasm, webgpu] = [run('wasm'), run('webgpu')];
  assert.match(webgpu.description, /^webgpu \(/);
  for (const name of ['losses', 'logits']) {
    const largest = Math.max(...wasm[name].map(Math.abs));
    const difference = Math.max(...wasm[name].map((value, i) => Math.abs(value - webgpu[name][i])));
    assert.ok(difference <= 1e-4 * largest, `${name}: off by ${difference}, the largest is ${largest}`);
  }
  assert.ok(webgpu.losses.at(-1) < webgpu.losses[0]);
  assert.deepEqual(webgpu.ids, wasm.ids);
});
