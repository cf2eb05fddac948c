// Runs the guides' programs on their stand-ins, with a loop of one's own and by the Trainer; each judges its result by itself.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
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

const run = (name, options) =>
  spawnSync(process.execPath, [join(root, 'examples', name, 'main.mjs'), ...options], { cwd: root, encoding: 'utf8', timeout: 600_000 });

for (const name of readdirSync(join(root, 'examples')).filter((name) => /^\d/.test(name)))
  for (const form of [[], ['--trainer']])
    test(`${name} ${form}`, () => {
      const { status, stdout, stderr } = run(name, [...(short[name] ?? []), ...form]);
      assert.equal(status, 0, `${stdout}\n${stderr}`);
      assert.match(stdout, /^as expected: /m);
      assert.doesNotMatch(stdout, /NOT AS EXPECTED/);
    });

for (const [name, [folder, ...options]] of Object.entries(guides)) {
  const data = join(root, '../shared/data/guides', folder);
  test(`${name} --guide ${folder}`, { skip: !existsSync(data) && `there is no ${data}` }, () => {
    const { stdout, stderr } = run(name, ['--guide', data, ...options]);
    // So few steps bring no result worth a judgement; they come to it, and the adapter is saved and loaded.
    assert.match(stdout, /^loaded [\s\S]*expected: |^as expected: loaded/im, `${stdout}\n${stderr}`);
  });
}
