// Trainings that are killed at random steps and go on from their checkpoints end where one that was not killed ends.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { folder as folderOf, readSafetensors } from '@peft/core';

const program = fileURLToPath(new URL('trainToBeKilled.mjs', import.meta.url));

/** Runs the training in a process. @param killAfter steps, and milliseconds, after which it is killed. @returns the steps it made */
function run(settings, killAfter) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
    const steps = [];
    child.stdout.setEncoding('utf8').on('data', (text) => {
      const before = steps.length;
      steps.push(...text.trim().split('\n').map(Number));
      if (killAfter && before < killAfter.steps && steps.length >= killAfter.steps)
        setTimeout(() => child.kill('SIGKILL'), killAfter.milliseconds);
    });
    child.on('error', reject).on('close', (code, signal) => {
      if (code === 0 || (killAfter && signal === 'SIGKILL')) resolve({ steps, killed: signal === 'SIGKILL' });
      else reject(new Error(`the training ended with ${signal ?? code}`));
    });
  });
}

/** The training with some kills. @returns where its adapter is, and what happened */
async function trainWithKills(settings, kills) {
  const story = [];
  let killed = 0;
  while (killed < kills) {
    // Soon after a step, since that is when checkpoints are written.
    const killAfter = { steps: 4 + Math.floor(Math.random() * 4), milliseconds: Math.random() * 30 };
    const result = await run(settings, killAfter);
    story.push(`${result.steps.join(' ')}${result.killed ? ' killed' : ''}`);
    if (!result.killed) return { killed, story };
    killed++;
  }
  const { steps } = await run(settings);
  story.push(steps.join(' '));
  return { killed, story };
}

const native = process.env.PEFT_NATIVE;
for (const [method, engine, threads, kills, tolerance] of [
  ['lora', 'wasm', 1, 3, 0],
  ['adalora', 'wasm', 1, 3, 0],
  ['adalora', 'wasm', 2, 1, 1e-6],
  ['lora', 'native', 1, 1, 1e-6],
])
  test(`${method} on ${engine}, ${threads} threads: killed ${kills} times, the weights are ${tolerance === 0 ? 'the same to the bit' : `within ${tolerance}`}`, {
    skip: engine === 'native' && !(native && existsSync(native)) && 'the native engine is not installed (PEFT_NATIVE)',
  }, async (t) => {
    const root = mkdtempSync(join(tmpdir(), 'killed-'));
    try {
      const at = (name) => [join(root, name), method, engine, String(threads)];
      const { steps } = await run(at('whole'));
      assert.deepEqual(
        steps,
        Array.from({ length: 24 }, (_, i) => i + 1),
      );
      const { killed, story } = await trainWithKills(at('killed'), kills);
      t.diagnostic(story.join(' | '));
      assert.ok(killed > 0, `it was never killed: ${story}`);
      assert.ok(
        story.slice(1).some((line) => !line.startsWith('1 ')),
        `it never went on from a checkpoint: ${story}`,
      );
      await compare(join(root, 'whole/end'), join(root, 'killed/end'), tolerance);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

async function compare(whole, killed, tolerance) {
  const read = (folder, name) => readFileSync(join(folder, name));
  if (tolerance === 0) {
    assert.ok(read(whole, 'adapter_model.safetensors').equals(read(killed, 'adapter_model.safetensors')), 'the weights differ');
    assert.ok(read(whole, 'adapter_config.json').equals(read(killed, 'adapter_config.json')), 'the configs differ');
    return;
  }
  const [a, b] = await Promise.all([whole, killed].map((folder) => readSafetensors(folderOf(folder), 'adapter_model.safetensors')));
  assert.deepEqual([...a.keys()], [...b.keys()]);
  for (const [name, tensor] of a) {
    const [one, other] = [await tensor.data(), await b.get(name).data()];
    const worst = Math.max(...one.map((value, i) => Math.abs(value - other[i])));
    assert.ok(worst <= tolerance, `${name} differs by ${worst}`);
  }
}
