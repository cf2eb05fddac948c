// Runs the pinned pnpm on a machine that has only Node and npm. Built-ins only: nothing is installed yet.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const pin = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
  .packageManager.split('@')[1]
  .split('+')[0];
const options = {
  cwd: root,
  shell: process.platform === 'win32',
  env: { TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', ...process.env },
};

const installed = spawnSync('pnpm', ['--version'], { ...options, encoding: 'utf8' });
const usable = installed.status === 0 && installed.stdout.trim() === pin;
const [command, prefix] = usable ? ['pnpm', []] : ['npx', ['-y', '--loglevel=error', `pnpm@${pin}`]];
const result = spawnSync(command, [...prefix, ...process.argv.slice(2)], { ...options, stdio: 'inherit' });
process.exit(result.status ?? 1);
