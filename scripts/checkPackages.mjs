// What a user gets from the registry: each package is packed, and publint and attw judge the tarball.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { packages, root } from './workspace.mjs';

const execute = promisify(execFile);
const script = (path, args, options) => execute(process.execPath, [path, ...args], { maxBuffer: 1 << 26, ...options });
const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');
const scratch = mkdtempSync(join(tmpdir(), 'packages-'));

async function check({ name, folder, manifest }) {
  const problems = [];
  const want = (holds, message) => holds || problems.push(message);
  want(manifest.name === `@peft/${name}`, `is named ${manifest.name} in a folder named ${name}`);
  want(manifest.license === 'Apache-2.0', `license is ${JSON.stringify(manifest.license)}, not "Apache-2.0"`);
  want(manifest.sideEffects === false, 'sideEffects is not false: importing a package does nothing');
  want(manifest.files?.includes('dist'), 'files does not list dist');
  want(manifest.description, 'description is missing');
  want(existsSync(join(folder, 'README.md')), 'README.md is missing');
  if (!existsSync(join(folder, 'dist'))) return [...problems, 'dist is missing: it is not built'];

  const { stdout } = await script(join(root, 'scripts/pnpm.mjs'), ['--dir', folder, 'pack', '--json', '--pack-destination', scratch]);
  const tarball = JSON.parse(stdout).filename;
  const bytes = readFileSync(tarball);
  const { messages, pkg } = await publint({
    strict: true,
    pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) },
  });
  for (const message of messages) problems.push(`publint: ${formatMessage(message, pkg, { color: false })}`);
  await script(attw, [tarball, '--profile', 'node16', '--no-color', '--no-emoji', '--format', 'ascii']).catch(({ stdout, message }) =>
    problems.push(`attw: ${stdout || message}`),
  );
  return problems;
}

let failed = false;
const waiting = packages();
try {
  // Two at a time: both are mostly reading and parsing.
  await Promise.all(
    [1, 2].map(async () => {
      for (let pkg = waiting.shift(); pkg; pkg = waiting.shift()) {
        const problems = await check(pkg);
        console.log(`${pkg.manifest.name}: ${problems.length === 0 ? 'good' : `\n  ${problems.join('\n  ')}`}`);
        failed ||= problems.length > 0;
      }
    }),
  );
} finally {
  rmSync(scratch, { recursive: true });
}
if (failed) process.exit(1);
