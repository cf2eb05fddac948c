// Runs the guides' programs on their stand-ins, with a loop of one's own and by the Trainer; each judges its result by itself.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { root } from '../scripts/workspace.mjs';

/** What makes an example shorter. */
const short = {
  '1-image-classification': ['--epochs', '3'],
  '2-prefix-tuning': ['--epochs', '3'],
  '3-prompt-tuning': ['--epochs', '10'],
  '4-semantic-segmentation': ['--epochs', '1'],
  '6-speech-recognition': ['--steps', '60'],
  '7-merging': ['--steps', '25'],
  '8-methods': ['--steps', '20'],
};

/** The guides' own data, which lies beside the project where it is there at all, for a few steps of the stand-ins. */
const guides = {
  '2-prefix-tuning': ['financial_phrasebank', '--model', 'models/phrases-t5-0.3m', '--rows', '200', '--epochs', '1'],
  '3-prompt-tuning': ['twitter_complaints', '--model', 'models/tweets-bloom-0.3m', '--epochs', '1'],
  '4-semantic-segmentation': ['camvid', '--model', 'models/streets-segformer-0.3m', '--epochs', '1'],
  '5-p-tuning': ['mrpc', '--model', 'models/pairs-roberta-0.3m', '--rows', '64', '--epochs', '1'],
};

/** Cores that programs are bound to: two on a core each are done sooner than one after the other with a thread on both. */
const cores = process.platform === 'linux' && existsSync('/usr/bin/taskset') && availableParallelism() > 1 ? ['0', '1'] : [undefined];
const concurrency = cores.length;

async function run(name, options) {
  const core = cores.pop();
  const program = [process.execPath, join(root, 'examples', name, 'main.mjs'), ...options];
  const [command, ...args] = core ? ['taskset', '-c', core, ...program] : program;
  const child = spawn(command, args, { cwd: root, timeout: 600_000, stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    const [stdout, stderr, status] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise((resolve, reject) => child.on('error', reject).on('close', resolve)),
    ]);
    return { stdout, stderr, status };
  } finally {
    cores.push(core);
  }
}

describe("the guides' programs", { concurrency }, () => {
  // Both forms of a program write into one folder, so they are far apart.
  for (const form of [[], ['--trainer']])
    for (const name of readdirSync(join(root, 'examples')).filter((name) => /^\d/.test(name)))
      test(`${name} ${form}`, async () => {
        const { status, stdout, stderr } = await run(name, [...(short[name] ?? []), ...form]);
        assert.equal(status, 0, `${stdout}\n${stderr}`);
        assert.match(stdout, /^as expected: /m);
        assert.doesNotMatch(stdout, /NOT AS EXPECTED/);
      });

  for (const [name, [folder, ...options]] of Object.entries(guides)) {
    const data = join(root, '../shared/data/guides', folder);
    test(`${name} --guide ${folder}`, { skip: !existsSync(data) && `there is no ${data}` }, async () => {
      const { stdout, stderr } = await run(name, ['--guide', data, ...options]);
      // So few steps bring no result worth a judgement; they come to it, and the adapter is saved and loaded.
      assert.match(stdout, /^loaded [\s\S]*expected: |^as expected: loaded/im, `${stdout}\n${stderr}`);
    });
  }
});
