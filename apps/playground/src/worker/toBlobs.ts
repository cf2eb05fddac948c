import type { Files } from '../api';

/** Bytes as blobs, which pages and workers hand on without copying. */
export const toBlobs = (files: Readonly<Record<string, Uint8Array>>): Files =>
  Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, new Blob([bytes as Uint8Array<ArrayBuffer>])]));
