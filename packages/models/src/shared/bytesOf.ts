/** A file: its path in Node or its address in a browser, or its bytes. */
export type FileLike = string | Uint8Array | ArrayBuffer | Blob;

/** A file's bytes. @param open gives those of a path or address */
export async function bytesOf(file: FileLike, open: (path: string) => Promise<Uint8Array>): Promise<Uint8Array> {
  if (typeof file === 'string') return open(file);
  if (file instanceof Uint8Array) return file;
  return new Uint8Array(file instanceof Blob ? await file.arrayBuffer() : file);
}
