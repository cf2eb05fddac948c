/** One file in an archive: where its bytes are. */
export interface ZipEntry {
  start: number;
  size: number;
}

/** What an archive is read from. */
export interface Bytes {
  readonly size: number;
  read(start: number, end: number): Promise<Uint8Array>;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const MAX_DIRECTORY = 100_000_000;

/** The files in a zip archive that are stored as they are, which is how torch saves; also in the form for more than 4 GB. */
export async function readZip(archive: Bytes, where: string): Promise<Map<string, ZipEntry>> {
  const bad = (problem: string) => new Error(`${where} is no valid zip archive: ${problem}`);
  const tailStart = Math.max(0, archive.size - 65557);
  const tail = view(await archive.read(tailStart, archive.size));
  let end = tail.byteLength - 22;
  while (end >= 0 && tail.getUint32(end, true) !== END) end--;
  if (end < 0) throw bad('it has no directory: it is cut off or something else');
  let count = tail.getUint16(end + 10, true);
  let size = tail.getUint32(end + 12, true);
  let offset = tail.getUint32(end + 16, true);
  if (end >= 20 && tail.getUint32(end - 20, true) === LOCATOR64) {
    const at = Number(tail.getBigUint64(end - 12, true));
    if (at + 56 > archive.size) throw bad('its directory lies outside of it');
    const wide = view(await archive.read(at, at + 56));
    if (wide.getUint32(0, true) !== END64) throw bad('its directory is damaged');
    count = Number(wide.getBigUint64(32, true));
    size = Number(wide.getBigUint64(40, true));
    offset = Number(wide.getBigUint64(48, true));
  }
  if (size > MAX_DIRECTORY || offset + size > archive.size) throw bad('its directory lies outside of it');
  const directory = view(await archive.read(offset, offset + size));
  const files = new Map<string, ZipEntry>();
  for (let i = 0, at = 0; i < count; i++) {
    if (at + 46 > directory.byteLength || directory.getUint32(at, true) !== CENTRAL) throw bad('its directory is damaged');
    const [nameLength, extraLength, commentLength] = [directory.getUint16(at + 28, true), directory.getUint16(at + 30, true), directory.getUint16(at + 32, true)];
    if (at + 46 + nameLength + extraLength + commentLength > directory.byteLength) throw bad('its directory is damaged');
    const name = new TextDecoder().decode(new Uint8Array(directory.buffer, directory.byteOffset + at + 46, nameLength));
    const [packed, plain, header] = wideFields(directory, at, at + 46 + nameLength, extraLength);
    if (directory.getUint16(at + 10, true) !== 0 || packed !== plain) throw bad(`${name} in it is compressed, which torch does not do`);
    if (header + 30 > archive.size) throw bad(`${name} lies outside of it`);
    const local = view(await archive.read(header, header + 30));
    if (local.getUint32(0, true) !== LOCAL) throw bad(`${name} in it is damaged`);
    const start = header + 30 + local.getUint16(26, true) + local.getUint16(28, true);
    if (start + plain > archive.size) throw bad(`${name} claims ${plain} bytes, more than there are`);
    files.set(name, { start, size: plain });
    at += 46 + nameLength + extraLength + commentLength;
  }
  return files;
}

/** Sizes and place of a file; where 32 bits are not enough the real values stand in an extra field. */
function wideFields(directory: DataView, at: number, extra: number, extraLength: number): [packed: number, plain: number, header: number] {
  const fields = [directory.getUint32(at + 20, true), directory.getUint32(at + 24, true), directory.getUint32(at + 42, true)];
  // In the extra field the order is: plain size, packed size, place; each only where its short form is full.
  let from = extra;
  while (from + 4 <= extra + extraLength && directory.getUint16(from, true) !== 1) from += 4 + directory.getUint16(from + 2, true);
  let value = from + 4;
  for (const i of [1, 0, 2])
    if (fields[i] === 0xffffffff && value + 8 <= extra + extraLength) {
      fields[i] = Number(directory.getBigUint64(value, true));
      value += 8;
    }
  return fields as [number, number, number];
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
