import { bytesOf, type FileLike } from '../../shared/bytesOf';
import type { Image, SegmentationMap } from '../Image';
import { decodePng, decodePngMap } from './png';
import { kindOf } from './signatures';

/** What an environment has of its own. */
export interface Environment {
  /** The bytes of a file by its path or address. */
  open(path: string): Promise<Uint8Array>;
  /** Reads pictures that are no PNG. */
  decode(bytes: Uint8Array, kind: string): Promise<Image>;
}

export interface Readers {
  /**
   * A picture in colour or grey, without transparency.
   * Errors: a damaged file; a kind that cannot be read.
   */
  readImage(file: FileLike): Promise<Image>;
  /**
   * A PNG whose pixels are classes: numbers of a palette, or grey.
   * Errors: another kind of file; several numbers a pixel.
   */
  readSegmentationMap(file: FileLike): Promise<SegmentationMap>;
}

/** PNG is read in the same way everywhere: browsers would put transparency into the colours. */
export function readers({ open, decode }: Environment): Readers {
  /** Errors tell the file's name where it is known. */
  const reading =
    <T>(read: (bytes: Uint8Array, kind: string) => Promise<T>) =>
    async (file: FileLike): Promise<T> => {
      const bytes = await bytesOf(file, open);
      try {
        return await read(bytes, kindOf(bytes));
      } catch (error) {
        throw typeof file === 'string' ? new Error(`${file}: ${(error as Error).message}`, { cause: error }) : error;
      }
    };
  return {
    readImage: reading((bytes, kind) => (kind === 'PNG' ? decodePng(bytes) : decode(bytes, kind))),
    readSegmentationMap: reading(async (bytes, kind) => {
      if (kind === 'PNG') return decodePngMap(bytes);
      throw new Error(`a segmentation map is a PNG, and this file is ${kind}: other kinds do not keep numbers as they are`);
    }),
  };
}
