import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './workspace.mjs';

const windows = process.platform === 'win32';

/** Runs a program in the repository and waits for it; `stdout: 2` sends its output to stderr. Errors: if it ends with another code than 0. */
export function run(command, args, { quiet = false, stdout = 1, cwd = root, env = {}, shell = false } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    shell,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: quiet ? 'pipe' : ['ignore', stdout, 2],
  });
  if (result.status === 0) return result.stdout;
  const output = quiet ? `\n${result.stdout}${result.stderr}` : '';
  throw new Error(`${command} ${args.join(' ')} ended with ${result.status ?? result.signal ?? result.error?.message}${output}`);
}

/** A program of a development dependency, by the name of its command. */
export const tool = (name, args, options) =>
  run(join(root, 'node_modules', '.bin', windows ? `${name}.cmd` : name), args, { ...options, shell: windows });

/** A script or test with this Node. */
export const node = (args, options) => run(process.execPath, args, options);

/** The pinned pnpm. */
export const pnpm = (args, options) => node([join(root, 'scripts', 'pnpm.mjs'), ...args], options);
