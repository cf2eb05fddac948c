// npm run new:method -- NAME [--dir FOLDER]: a package with a small method that works, to be turned into your own.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { tool } from './run.mjs';
import { packages, root } from './workspace.mjs';

const template = join(root, 'scripts/templates/method');

/** Every spelling of the name, by what stands for it in the template. */
function spellings(name) {
  const words = name.split('-');
  const capital = (word) => word[0].toUpperCase() + word.slice(1);
  const pascal = words.map(capital).join('');
  return {
    'new-method': name,
    newMethod: pascal[0].toLowerCase() + pascal.slice(1),
    NewMethod: pascal,
    NEW_METHOD: words.join('_').toUpperCase(),
    new_method: words.join('_'),
  };
}

/** Files of the new package by their paths in it. */
function render(name, folder) {
  const words = spellings(name);
  const inPackages = dirname(folder) === join(root, 'packages');
  const upwards = `${relative(folder, root).split(sep).join('/')}/`;
  const rename = (text) => text.replace(/new-method|newMethod|NewMethod|NEW_METHOD|new_method/g, (found) => words[found]);
  return Object.fromEntries(
    filesOf(template).map((path) => {
      const text = readFileSync(join(template, path), 'utf8')
        .replaceAll('@peft/new-method', inPackages ? '@peft/new-method' : 'peft-new-method')
        .replaceAll('../../', upwards);
      return [rename(path), rename(text)];
    }),
  );
}

const filesOf = (folder, path = '') =>
  readdirSync(join(folder, path), { withFileTypes: true }).flatMap((entry) => {
    const inner = join(path, entry.name);
    return entry.isDirectory() ? filesOf(folder, inner) : [inner];
  });

/** Errors: names that cannot be a package, a file and a variable at once, or that are taken. */
function checkName(name) {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    throw new Error(`"${name}" cannot be a method's name: use small letters and digits, with "-" between words, such as my-method`);
  if (packages().some((one) => one.name === name)) throw new Error(`there is a package "${name}" already: choose another name`);
  const { newMethod: variable, NewMethod: type } = spellings(name);
  const code = filesOf(template).filter((path) => path.endsWith('.ts'));
  const used = new Set(
    code.flatMap((path) =>
      readFileSync(join(template, path), 'utf8')
        .replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
        .match(/\w+/g),
    ),
  );
  if (['config', 'index'].includes(name) || used.has(variable) || used.has(type) || isReserved(variable))
    throw new Error(`"${name}" cannot be a method's name: "${variable}" or "${type}" has a meaning in the code already`);
}

function isReserved(variable) {
  try {
    new Function(`'use strict'; const ${variable} = 0;`);
    return false;
  } catch {
    return true;
  }
}

/** Makes a package under packages/ known to the workspace and to the root, where examples of READMEs run. */
function register(name) {
  edit('pnpm-workspace.yaml', (text) => text.replace(/((?: {2}- packages\/.*\n)+)/, `$1  - packages/${name}\n`));
  edit('package.json', (text) =>
    text.replace(/("devDependencies": \{\n)([\s\S]*?\n)( {2}\})/, (_, start, entries, end) => {
      const lines = [...entries.trimEnd().replace(/,$/gm, '').split('\n'), `    "@peft/${name}": "workspace:*"`];
      const key = (line) => line.split('"')[1];
      return `${start}${lines.sort((a, b) => (key(a) < key(b) ? -1 : 1)).join(',\n')}\n${end}`;
    }),
  );
}

function edit(path, change) {
  const file = join(root, path);
  const text = readFileSync(file, 'utf8');
  const changed = change(text);
  if (changed === text) throw new Error(`${path} has another form than this script knows: add the new package there yourself`);
  writeFileSync(file, changed);
}

/** Makes a package for a method. Never overwrites anything. @returns its folder */
export function newMethod(name, dir = `packages/${name}`) {
  checkName(name);
  const folder = resolve(root, dir);
  if (relative(root, folder).startsWith('..')) throw new Error(`${dir} is outside this repository: its dependencies would not be found`);
  if (existsSync(folder)) throw new Error(`${dir} exists already: nothing was written`);
  for (const [path, text] of Object.entries(render(name, folder))) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { flag: 'wx' });
  }
  // Another name sorts and wraps otherwise.
  tool('biome', ['check', '--write', folder], { quiet: true });
  if (dirname(folder) === join(root, 'packages')) register(name);
  return folder;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const { values, positionals } = parseArgs({ options: { dir: { type: 'string' } }, allowPositionals: true });
    if (positionals.length !== 1) throw new Error('usage: npm run new:method -- NAME [--dir FOLDER]');
    const path = relative(root, newMethod(positionals[0], values.dir)).split(sep).join('/');
    console.log(`${path} is a package with a method that works. Next:
  npm run pnpm -- install --no-frozen-lockfile
  npx vitest run ${path}
The guide is examples/third-party-method/README.md.`);
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
