import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));

export const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));

/**
 * The packages under packages/ that pnpm-workspace.yaml lists (`folder` or `folder/*`), in its order:
 * `{ name: 'core', folder, manifest }`. The one place that says which packages there are.
 */
export function packages(at = root) {
  const list = /^packages:\n((?: +- .*\n)+)/m.exec(readFileSync(join(at, 'pnpm-workspace.yaml'), 'utf8'))?.[1] ?? '';
  const patterns = [...list.matchAll(/- ['"]?([^'"\n]+)/g)].map(([, pattern]) => pattern.trim());
  const names = patterns
    .filter((pattern) => pattern.startsWith('packages/'))
    .flatMap((pattern) => (pattern === 'packages/*' ? readdirSync(join(at, 'packages')).sort() : [pattern.slice('packages/'.length)]))
    .filter((name) => existsSync(join(at, 'packages', name, 'package.json')));
  return names.map((name) => {
    const folder = join(at, 'packages', name);
    return { name, folder, manifest: readJson(join(folder, 'package.json')) };
  });
}

/** The READMEs whose examples are run: the root's, the packages', the examples'. */
export function readmes() {
  const examples = readdirSync(join(root, 'examples')).map((name) => `examples/${name}/README.md`);
  const paths = ['README.md', ...packages().map(({ name }) => `packages/${name}/README.md`), ...examples];
  return paths.filter((path) => existsSync(join(root, path)));
}
