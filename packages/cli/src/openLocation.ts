import { existsSync } from 'node:fs';
import { openSource, type Source } from '@peft/core';
import { showDownloads } from './byteProgress';
import type { Output } from './Output';

/** A folder or repository, and the revision that stands behind `@` in `owner/name@revision`. */
export function parseLocation(where: string): { name: string; revision?: string } {
  const at = existsSync(where) ? -1 : where.indexOf('@');
  return at > 0 ? { name: where.slice(0, at), revision: where.slice(at + 1) } : { name: where };
}

/**
 * Opens a folder, or a repository of the hub: `owner/name`, or `owner/name@revision`.
 * @param fallback the revision where none is given. Errors: what is neither
 */
export function openLocation(where: string, output: Output, fallback?: unknown): Promise<Source> {
  const { name, revision = fallback } = parseLocation(where);
  return openSource(name, { onProgress: showDownloads(output), ...(typeof revision === 'string' && { revision }) });
}
