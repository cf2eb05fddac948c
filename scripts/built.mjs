// Makes sure that everything is installed and built; cheap when it is. stdout is left to the command that needs it.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pnpm } from './run.mjs';
import { root } from './workspace.mjs';

const stamp = join(root, 'node_modules', '.installed');

/** Installs the locked dependencies, unless they are there already. */
export function ensureInstalled() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'pnpm-lock.yaml')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  pnpm(['install', '--frozen-lockfile'], { stdout: 2 });
  writeFileSync(stamp, lock);
}

/** Installs if needed and builds what has changed: the packages, and with `apps` what is made of them, too. */
export function ensureBuilt({ apps = false } = {}) {
  ensureInstalled();
  const filter = apps ? [] : ['--filter=!./apps/*'];
  pnpm(['exec', 'turbo', 'run', 'build', ...filter, '--ui=stream', '--output-logs=errors-only', '--concurrency=2'], { stdout: 2 });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    ensureBuilt({ apps: true });
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
