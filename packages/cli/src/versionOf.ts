import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/** The version of an installed package; nothing where it is not there. */
export function versionOf(name: string): string | undefined {
  const here = typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url;
  for (const from of [here, pathToFileURL(`${process.cwd()}/package.json`).href])
    try {
      return (createRequire(from)(`${name}/package.json`) as { version: string }).version;
    } catch {
      // It may be installed for the program alone.
    }
  return undefined;
}
