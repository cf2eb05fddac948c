import type * as Crypto from 'node:crypto';
import type * as Fs from 'node:fs/promises';
import type * as Os from 'node:os';
import type * as Path from 'node:path';

/** The one place where Node's own modules are loaded, by names that bundlers for browsers do not follow. */
export interface NodeModules {
  crypto: typeof Crypto;
  fs: typeof Fs;
  os: typeof Os;
  path: typeof Path;
}

let loaded: Promise<NodeModules | undefined> | undefined;

/** Node's file system and what belongs to it, or nothing in a browser. */
export function nodeModules(): Promise<NodeModules | undefined> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<NodeModules | undefined> {
  if (typeof process === 'undefined' || !process.versions?.node) return undefined;
  const names = ['node:crypto', 'node:fs/promises', 'node:os', 'node:path'];
  const [crypto, fs, os, path] = await Promise.all(names.map((name) => import(/* @vite-ignore */ /* webpackIgnore: true */ name)));
  return { crypto, fs, os, path };
}

/** A variable of the environment, where there is one and it is set. */
export const environment = (name: string): string | undefined =>
  (typeof process === 'undefined' ? undefined : process.env?.[name]) || undefined;
