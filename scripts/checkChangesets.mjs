// Packages are versioned on their own: releases of one are tried out in a copy, and the others must stay as they are.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { node, run } from './run.mjs';
import { packages, root } from './workspace.mjs';

const changesets = join(root, 'node_modules/@changesets/cli/bin.js');
const git = ['-c', 'user.name=check', '-c', 'user.email=check@localhost', '-c', 'commit.gpgsign=false', '-c', 'core.hooksPath='];
const env = { GIT_CONFIG_GLOBAL: process.platform === 'win32' ? 'NUL' : '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };

/** The versions that `changeset version` moves for these releases: `{ lora: '0.1.1' }`. */
function moved(releases) {
  const at = mkdtempSync(join(tmpdir(), 'changesets-'));
  try {
    const before = packages();
    for (const path of ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml']) cpSync(join(root, path), join(at, path));
    mkdirSync(join(at, '.changeset'));
    cpSync(join(root, '.changeset/config.json'), join(at, '.changeset/config.json'));
    for (const { name, folder } of before) cpSync(join(folder, 'package.json'), join(at, 'packages', name, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(at, 'node_modules'), 'junction');
    const lines = Object.entries(releases).map(([name, kind]) => `'@peft/${name}': ${kind}`);
    writeFileSync(join(at, '.changeset/try.md'), `---\n${lines.join('\n')}\n---\n\nA change.\n`);
    const options = { cwd: at, env, quiet: true };
    run('git', ['init', '--quiet', '--initial-branch=main'], options);
    run('git', ['add', '.changeset', 'packages', 'package.json'], options);
    run('git', [...git, 'commit', '--quiet', '-m', 'A change'], options);
    node([changesets, 'version'], options);
    const now = packages(at).map(({ name, manifest }, i) => [name, before[i].manifest.version, manifest.version]);
    return Object.fromEntries(now.filter(([, from, to]) => from !== to).map(([name, , to]) => [name, to]));
  } finally {
    rmSync(at, { recursive: true, force: true });
  }
}

const version = (name) =>
  packages()
    .find((pkg) => pkg.name === name)
    .manifest.version.split('.')
    .map(Number);
/** Who installs another package with itself has to be released with it; a peer has not. */
const carriers = (name) =>
  packages()
    .filter(({ manifest }) => manifest.dependencies?.[`@peft/${name}`])
    .map((pkg) => pkg.name);

const [major, minor, patch] = version('lora');
const lora = moved({ lora: 'patch' });
assert.deepEqual(
  without(lora, carriers('lora')),
  { lora: `${major}.${minor}.${patch + 1}` },
  'a patch of @peft/lora moves @peft/lora alone',
);
console.log(`a patch of @peft/lora moves ${list(lora)}`);

const core = moved({ core: 'minor' });
const [coreMajor, coreMinor] = version('core');
assert.deepEqual(
  without(core, carriers('core')),
  { core: `${coreMajor}.${coreMinor + 1}.0` },
  'a minor of @peft/core moves @peft/core alone',
);
for (const name of Object.keys(core))
  assert.equal(core[name].split('.')[0], String(version(name)[0]), `a minor of @peft/core forces a major of @peft/${name}`);
console.log(`a minor of @peft/core moves ${list(core)}`);

function without(versions, names) {
  return Object.fromEntries(Object.entries(versions).filter(([name]) => !names.includes(name)));
}

function list(versions) {
  return Object.entries(versions)
    .map(([name, to]) => `${name} to ${to}`)
    .join(', ');
}
