import type * as Fs from 'node:fs/promises';
import type * as Os from 'node:os';
import type * as Path from 'node:path';

/** The one place where Node's own modules are loaded, by names that bundlers for browsers do not follow. */
export interface NodeModules {
  fs: typeof Fs;
  path: typeof Path;
  os: typeof Os;
}

let loaded: Promise<NodeModules | undefined> | undefined;

/** Node's file system, or nothing in a browser. */
export function nodeModules(): Promise<NodeModules | undefined> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<NodeModules | undefined> {
  if (typeof process === 'undefined' || !process.versions?.node) return undefined;
  const names = ['node:fs/promises', 'node:path', 'node:os'];
  const [fs, path, os] = await Promise.all(names.map((name) => import(/* @vite-ignore */ /* webpackIgnore: true */ name)));
  return { fs, path, os };
}
