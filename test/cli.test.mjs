// The command as it was built: the README's lines, machine-readable output, breaks, all methods, the hub.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '@peft/cli';
import { build } from 'esbuild';
import { packages, root } from '../scripts/workspace.mjs';

const folder = mkdtempSync(join(tmpdir(), 'cli-'));
before(() => process.chdir(folder));
after(() => {
  process.chdir(root);
  rmSync(folder, { recursive: true });
});
for (const name of ['models', 'data']) symlinkSync(join(root, name), join(folder, name), 'junction');

const bin = join(root, 'packages/cli', packages().find(({ name }) => name === 'cli').manifest.bin.peft);
const { HF_TOKEN: _, ...environment } = process.env;

/** `peft` in a process of its own; `onLine` sees each line of its standard output as it comes. */
function peft(args, { env = {}, input = '', onLine } = {}) {
  const child = spawn(process.execPath, [bin, ...args], { cwd: folder, env: { ...environment, ...env } });
  child.stdin.end(input);
  const out = { stdout: '', stderr: '' };
  let seen = 0;
  child.stderr.on('data', (text) => {
    out.stderr += text;
  });
  child.stdout.on('data', (text) => {
    out.stdout += text;
    const lines = out.stdout.split('\n').slice(0, -1);
    for (; seen < lines.length; seen++) onLine?.(lines[seen], child);
  });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, ...out })));
}

/** The same in this process, which has started already. */
async function called(args) {
  const out = { stdout: '', stderr: '' };
  const stream = (name) => ({
    write: (text) => {
      out[name] += text;
    },
  });
  const code = await run(args, { stdout: stream('stdout'), stderr: stream('stderr') });
  return { code, ...out };
}

const wasm = ['--engine', 'wasm', '--threads', '1', '--quiet'];
const small = ['models/sotu-0.9m', '--data', 'data/moby-dick/eval.txt', '--max_length', '32', '--per_device_train_batch_size', '2'];
const json = ({ stdout }) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const weights = (name) => readFileSync(join(folder, name, 'adapter_model.safetensors'));

async function good(args, run = called) {
  const result = await run(args);
  assert.equal(result.code, 0, `peft ${args.join(' ')}\n${result.stdout}${result.stderr}`);
  return result;
}

test("the README's lines work as they stand", async () => {
  const readme = readFileSync(join(root, 'packages/cli/README.md'), 'utf8');
  // Those on models and data that are here.
  const lines = [...readme.matchAll(/^peft (?!train google-t5)(.*)$/gm)].map(([, line]) =>
    line.match(/"[^"]*"|\S+/g).map((word) => word.replaceAll('"', '')),
  );
  assert.ok(lines.length >= 7);
  const said = [];
  for (const line of lines) said.push((await good(line, peft)).stdout);
  assert.match(
    said[0],
    /^trainable params: 14336 \|\| all params: 883840 \|\|[\s\S]*after 20 updates: eval_loss [\d.]+ {2}eval_perplexity [\d.]+[\s\S]*saved out\/whale\n$/,
  );
  assert.match(said[1], /method +LORA\n[\s\S]*fits +yes/);
  assert.match(said[2], /^eval_loss [\d.]+ {2}eval_perplexity [\d.]+\n$/);
  assert.match(said[3], /^The whale.+\n$/s);
  assert.equal(said[5], said[3], 'merged, it says the same');
});

test('a training that is stopped, or killed, goes on as if it had not been', async () => {
  const args = [...small, '--max_steps', '24', '--save_steps', '5', '--logging_steps', '1', '--set', 'lora_dropout=0.1', '--json', ...wasm];
  const whole = json(await good(['train', ...args, '--out', 'whole'], peft));
  assert.deepEqual([whole[0].event, whole.at(-1).event, whole.at(-1).step], ['start', 'end', 24]);
  assert.equal(whole.filter(({ event }) => event === 'log').length, 24);
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGKILL', null],
  ]) {
    const events = [];
    const broken = await peft(['train', ...args, '--out', signal], {
      onLine(line, child) {
        events.push(JSON.parse(line));
        if (events.at(-1).step === 7 && events.at(-1).event === 'log') child.kill(signal);
      },
    });
    assert.equal(broken.code, code, broken.stderr);
    assert.ok(!readdirSync(join(folder, signal)).includes('adapter_model.safetensors'));
    if (code) {
      const stopped = events.find(({ event }) => event === 'stopped');
      assert.ok(stopped.step < 24);
      assert.ok(readdirSync(join(folder, signal)).includes(`checkpoint-${stopped.step}`), 'there is a checkpoint of where it stopped');
    }
    const resumed = json(await good(['train', '--config', `${signal}/train_settings.json`, '--resume', '--json', '--quiet'], peft));
    assert.equal(resumed.at(-1).step, 24);
    assert.ok(resumed.filter(({ event }) => event === 'log').length < 20, 'it did not begin anew');
    assert.deepEqual(weights(signal), weights('whole'));
  }
});

test('every method is trained, described and used', async () => {
  const methods = ['lora', 'adalora', 'ia3', 'prompt-tuning', 'p-tuning', 'prefix', 'llama-adapter'];
  for (const method of methods) {
    await good(['train', ...small, '--max_steps', '2', '--method', method, '--out', method, ...wasm]);
    const [info] = json(await good(['info', method, '--json']));
    assert.equal(info.fits, true, JSON.stringify(info));
    const [said] = json(await good(['generate', method, '--prompt', 'The whale', '--max_new_tokens', '3', '--json', ...wasm]));
    assert.ok(said.completion.length > 0);
  }
});

test('adapters are combined without the base model being loaded', async () => {
  cpSync(join(root, 'models/sotu-0.9m'), join(folder, 'headers'), { recursive: true, filter: (path) => !path.endsWith('.safetensors') });
  const types = ['linear', 'cat', 'svd', 'ties', 'dare_linear', 'magnitude_prune_svd'];
  for (const type of types) {
    const pruned = type === 'linear' || type === 'cat' || type === 'svd' ? [] : ['--density', '0.5'];
    const args = [
      'combine',
      'whole',
      'lora',
      '--weights',
      '0.5,0.5',
      '--combination_type',
      type,
      ...pruned,
      '--base',
      'headers',
      '--out',
      type,
    ];
    await good([...args, ...wasm]);
    const [info] = json(await good(['info', type, '--base', 'headers', '--json']));
    assert.deepEqual([info.fits, info.settings.r ?? 8], [true, type === 'cat' ? 16 : 8], type);
  }
});

test('info says what does not fit', async () => {
  cpSync(join(root, 'models/sotu-0.9m/config.json'), join(folder, 'wider/config.json'));
  const config = JSON.parse(readFileSync(join(folder, 'wider/config.json'), 'utf8'));
  writeFileSync(join(folder, 'wider/config.json'), JSON.stringify({ ...config, hidden_size: 256, head_dim: 64 }));
  const { code, stdout } = await called(['info', 'lora', '--base', 'wider', '--json']);
  assert.equal(code, 1);
  const { fits, problems } = JSON.parse(stdout);
  assert.equal(fits, false);
  assert.match(problems[0], /wrong shape: .*q_proj\.lora_A\.weight is \[8,128\] in the file and \[8,256\] in the model/);
});

test('an adapter is pushed to the hub, and the token is never shown', async () => {
  const source = join(root, 'packages/core/src/files/fixtures/hubServer.ts');
  const { outputFiles } = await build({
    entryPoints: [source],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    logLevel: 'error',
  });
  const { startHub, TOKEN } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
  const hub = await startHub({});
  try {
    writeFileSync(join(folder, 'lora/notes.txt'), 'private');
    const withToken = (args) => peft(args, { env: { HF_ENDPOINT: hub.endpoint, HF_TOKEN: TOKEN } });
    const pushed = await good(['push', 'lora', 'owner/name', '--private', '--json'], withToken);
    assert.equal(json(pushed)[0].url, `${hub.endpoint}/owner/name/commit/0123456789abcdef0123456789abcdef01234567`);
    assert.deepEqual(Object.keys(hub.pushed).sort(), ['(message)', 'README.md', 'adapter_config.json', 'adapter_model.safetensors']);
    assert.equal(hub.made[0].visibility, 'private');
    const doctor = await good(['doctor', '--json', ...wasm], withToken);
    assert.equal(json(doctor)[0].hub.token, true);
    const refused = await withToken(['push', 'lora', 'other/name']);
    assert.equal(refused.code, 1);
    for (const { stdout, stderr } of [pushed, doctor, refused]) assert.ok(!`${stdout}${stderr}`.includes(TOKEN));
  } finally {
    await hub.close();
  }
});

test('doctor says what there is', async () => {
  const [facts] = json(await good(['doctor', '--engine', 'wasm', '--json']));
  assert.equal(facts.engine.name, 'wasm');
  assert.equal(facts.hub.token, false);
  assert.deepEqual(facts.missing, []);
  assert.ok(facts.versions['@peft/core'] && facts.memory.total > 0);
});

test('a chat reads its lines from anywhere', async () => {
  const input = 'My fellow\n/reset\nWe are\n/exit\nno more\n';
  const { stdout } = await good(['chat', 'models/sotu-0.9m', '--max_new_tokens', '4', '--json', ...wasm], (args) => peft(args, { input }));
  assert.equal(stdout.trim().split('\n').length, 2);
});

test('exit codes tell a wrong call from a failure', async () => {
  for (const [args, code, message] of [
    [['no-such'], 2, /there is no command "no-such"/],
    [['train', 'models/sotu-0.9m'], 2, /--data is missing\n--out is missing/],
    [['train', ...small, '--out', 'x', '--max_steps', 'many'], 2, /--max_steps must be a number, not "many"/],
    [['train', ...small, '--out', 'x', '--method', 'magic'], 2, /--method must be one of lora, adalora,/],
    [['train', ...small, '--out', 'x', '--set', 'rank=4', ...wasm], 2, /unknown fields in a LORA config: rank; it has alora_/],
    [['info', 'nowhere/at all'], 1, /"nowhere\/at all" is no folder here/],
    [['merge', 'models/sotu-0.9m', '--out', 'x', ...wasm], 2, /models\/sotu-0.9m is no adapter/],
    [['eval', 'lora', '--data', 'none.txt', ...wasm], 1, /none\.txt/],
  ]) {
    const result = await called([...args, '--json']);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, message);
    const [event] = json(result);
    assert.equal(event.event, 'error');
  }
});
