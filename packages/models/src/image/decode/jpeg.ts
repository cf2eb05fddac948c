import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { folder } from '@peft/core';
import { type Image, withChannels } from '../Image';
import { checkSize } from './signatures';

type Decode = (bytes: Uint8Array) => Promise<Image>;

let decoder: Promise<Decode> | undefined;
let last: Promise<unknown> = Promise.resolve();

/** A JPEG in colour, turned as its EXIF data say; to the bit what libjpeg makes of it. */
export function decodeJpeg(bytes: Uint8Array): Promise<Image> {
  checkHeader(bytes);
  // One by one: they share the decoder, and what it looks for among the globals.
  const result = last.then(() =>
    withImageData(async () => {
      decoder ??= load();
      return (await decoder)(bytes);
    }),
  );
  last = result.catch(() => {
    // After a failure the decoder's memory is in no known state.
    decoder = undefined;
  });
  return result;
}

async function load(): Promise<Decode> {
  const { default: decode, init } = await import('@jsquash/jpeg/decode.js');
  const here = typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url;
  const path = createRequire(here).resolve('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm');
  const { buffer } = (await folder(dirname(path)).read('mozjpeg_dec.wasm')).slice();
  const said: string[] = [];
  await init({ wasmBinary: buffer, printErr: (line: string) => void said.push(line) });
  return async (bytes) => {
    const cut = () => said.find((line) => line.includes('Premature end'));
    said.length = 0;
    try {
      const { width, height, data } = await decode(bytes as never, { preserveOrientation: true });
      if (cut()) throw new Error(cut());
      return withChannels({ width, height, data }, 3);
    } catch (error) {
      throw new Error(`this JPEG cannot be read: ${said.at(-1) ?? (error as Error).message}`, { cause: error });
    }
  };
}

/** The decoder makes its result with the browser's class, which Node lacks, and would leave one among the globals. */
async function withImageData<T>(run: () => Promise<T>): Promise<T> {
  const globals = globalThis as { ImageData?: unknown };
  if (globals.ImageData !== undefined) return run();
  globals.ImageData = class {
    constructor(
      readonly data: Uint8ClampedArray,
      readonly width: number,
      readonly height: number,
    ) {}
  };
  try {
    return await run();
  } finally {
    delete globals.ImageData;
  }
}

/** Errors: a size that no picture has, told before any memory is taken for it. */
function checkHeader(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 2;
  while (at + 9 < bytes.length && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      checkSize(view.getUint16(at + 7), view.getUint16(at + 5));
      return;
    }
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
}
