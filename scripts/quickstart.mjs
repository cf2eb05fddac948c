// npm run quickstart [-- options]: installs and builds if needed, then runs examples/quickstart with the options.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt } from './built.mjs';
import { root } from './workspace.mjs';

ensureBuilt();
const { status } = spawnSync(process.execPath, [join(root, 'examples/quickstart/main.mjs'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exit(status ?? 1);
