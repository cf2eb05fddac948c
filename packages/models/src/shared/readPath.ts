import { folder } from '@peft/core';

/** The bytes of a file of Node's file system. */
export function readPath(path: string): Promise<Uint8Array> {
  const cut = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  return folder(cut < 0 ? '.' : path.slice(0, cut + 1)).read(path.slice(cut + 1));
}
