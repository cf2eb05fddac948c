import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/** Where a file of an installed package lies: from here or from the program's folder. Errors: it is not there. */
export function resolvePackage(file: string): string {
  const here = typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url;
  try {
    return createRequire(here).resolve(file);
  } catch {
    // It may be installed for the program alone.
    return createRequire(pathToFileURL(`${process.cwd()}/package.json`).href).resolve(file);
  }
}

/** The version of an installed package; nothing where it is not there. */
export function versionOf(name: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(resolvePackage(`${name}/package.json`), 'utf8')) as { version: string }).version;
  } catch {
    return undefined;
  }
}
