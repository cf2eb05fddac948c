import type { Source } from './source';

/** A file inside an archive. */
export interface ZipEntry {
  /** Bytes. */
  readonly size: number;
  /** The place of its first byte. Errors: a header of its own that contradicts the directory. */
  start(): Promise<number>;
}

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const MAX_DIRECTORY = 100_000_000;

/**
 * The files of an uncompressed zip archive, also of more than 4 GB. Only directories are read.
 * Errors: whatever in them contradicts itself or leads out of the file.
 */
export async function readZip(source: Source, path: string): Promise<Map<string, ZipEntry>> {
  const bad = (problem: string) => new Error(`${path} in ${source.describe} is a damaged zip archive: ${problem}`);
  const size = await source.size(path);
  const { offset, length, count } = await findDirectory(source, path, size, bad);
  if (offset + length > size) throw bad(`its directory would lie at bytes ${offset} to ${offset + length} of ${size}`);
  if (length > MAX_DIRECTORY || count * 46 > length) throw bad(`its directory claims ${count} files in ${length} bytes`);
  const directory = await source.read(path, offset, offset + length);
  const view = viewOf(directory);
  const found = new Map<string, { header: number; size: number }>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > length || view.getUint32(at, true) !== CENTRAL) throw bad('its directory is broken');
    const [nameLength, extraLength, commentLength] = [
      view.getUint16(at + 28, true),
      view.getUint16(at + 30, true),
      view.getUint16(at + 32, true),
    ];
    const next = at + 46 + nameLength + extraLength + commentLength;
    if (next > length) throw bad('its directory is cut off');
    const name = text(directory.subarray(at + 46, at + 46 + nameLength));
    if (view.getUint16(at + 8, true) & 1) throw bad(`${name} is encrypted`);
    if (view.getUint16(at + 10, true) !== 0) throw bad(`${name} is compressed, which torch.save never does`);
    const [plain, packed, header] = sizes(view, at, nameLength, extraLength, bad);
    if (plain !== packed) throw bad(`${name} is said to have ${plain} bytes and ${packed}`);
    if (found.has(name)) throw bad(`there are two files ${name}`);
    found.set(name, { header, size: plain });
    at = next;
  }
  const inOrder = [...found].sort(([, a], [, b]) => a.header - b.header);
  return new Map(
    inOrder.map(([name, { header, size }], i) => {
      const limit = inOrder[i + 1]?.[1].header ?? offset;
      if (header + 30 + size > limit) throw bad(`${name} of ${size} bytes does not fit where it should be`);
      const start = async () => {
        const own = await source.read(path, header, Math.min(limit, header + 30 + 3 * name.length));
        const ownView = viewOf(own);
        const nameEnd = 30 + ownView.getUint16(26, true);
        if (ownView.getUint32(0, true) !== LOCAL || text(own.subarray(30, nameEnd)) !== name)
          throw bad(`${name} is not where the directory says`);
        const from = header + nameEnd + ownView.getUint16(28, true);
        if (from + size > limit) throw bad(`${name} of ${size} bytes does not fit where it is`);
        return from;
      };
      return [name, { size, start }];
    }),
  );
}

async function findDirectory(source: Source, path: string, size: number, bad: (problem: string) => Error) {
  const from = Math.max(0, size - 22 - 0xffff);
  const view = viewOf(await source.read(path, from, size));
  let at = view.byteLength - 22;
  while (at >= 0 && !(view.getUint32(at, true) === END && at + 22 + view.getUint16(at + 20, true) === view.byteLength)) at--;
  if (at < 0) throw bad('its end is missing: it is cut off, or no archive');
  const small = { count: view.getUint16(at + 10, true), length: view.getUint32(at + 12, true), offset: view.getUint32(at + 16, true) };
  if (at < 20 || view.getUint32(at - 20, true) !== LOCATOR_64) return small;
  const end = safe(view.getBigUint64(at - 12, true), bad);
  if (end + 56 > size) throw bad('its end is broken');
  const wide = viewOf(await source.read(path, end, end + 56));
  if (wide.getUint32(0, true) !== END_64) throw bad('its end is broken');
  return {
    count: safe(wide.getBigUint64(32, true), bad),
    length: safe(wide.getBigUint64(40, true), bad),
    offset: safe(wide.getBigUint64(48, true), bad),
  };
}

/** Size, size in the archive, and place of the header; those that do not fit in 32 bits stand in the extra field. */
function sizes(
  view: DataView,
  at: number,
  nameLength: number,
  extraLength: number,
  bad: (problem: string) => Error,
): [number, number, number] {
  const values: [number, number, number] = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
  const extraEnd = at + 46 + nameLength + extraLength;
  for (let field = at + 46 + nameLength; field + 4 <= extraEnd; field += 4 + view.getUint16(field + 2, true)) {
    if (view.getUint16(field, true) !== 1) continue;
    const fieldEnd = Math.min(extraEnd, field + 4 + view.getUint16(field + 2, true));
    let next = field + 4;
    const wide = (value: number) => {
      if (value !== 0xffffffff) return value;
      if (next + 8 > fieldEnd) throw bad('its directory lacks a size');
      next += 8;
      return safe(view.getBigUint64(next - 8, true), bad);
    };
    return [wide(values[0]), wide(values[1]), wide(values[2])];
  }
  return values;
}

function safe(value: bigint, bad: (problem: string) => Error): number {
  if (value > Number.MAX_SAFE_INTEGER / 4) throw bad(`it speaks of byte ${value}`);
  return Number(value);
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
