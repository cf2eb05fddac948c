import { codePointOrder } from './codePointOrder';
import { decode, encode, WIDTH } from './dtypes';
import { duplicateKey } from './duplicateKey';
import { memory, type Source } from './source';

/** A tensor in a file, read when asked for. */
export interface StoredTensor {
  /** The type's name in safetensors files: F32, BF16, … */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Values, row-major: float32, or int32 for whole numbers. */
  data(): Promise<Float32Array | Int32Array>;
  /** The bytes as they are in the file. */
  bytes(): Promise<Uint8Array>;
  /** Where those bytes lie one after the other in a file of this machine, if they do. */
  place(): Promise<FilePlace | undefined>;
}

export interface FilePlace {
  file: string;
  /** The byte at which they begin. */
  start: number;
}

/** The tensors of a file or of several, by name. */
export type Checkpoint = Map<string, StoredTensor>;

export interface TensorToWrite {
  dtype: string;
  shape: readonly number[];
  /** Values, or bytes that are written as they are. */
  data: Float32Array | Int32Array | Uint8Array;
}

const MAX_HEADER = 100_000_000;

/** Opens a safetensors file: its header is read and checked whole, its tensors are read on demand. */
export async function readSafetensors(source: Source, path: string): Promise<Checkpoint> {
  const bad = (problem: string) => new Error(`${path} in ${source.describe} is no valid safetensors file: ${problem}`);
  const size = await source.size(path);
  if (size < 8) throw bad(`it has ${size} bytes`);
  const prefix = await source.read(path, 0, 8);
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER) throw bad(`its header claims ${length} bytes, more than the ${MAX_HEADER} allowed`);
  if (8 + length > size) throw bad(`its header claims ${length} bytes, the file has ${size}: it is cut off or damaged`);
  const bytes = await source.read(path, 8, 8 + length);
  let header: unknown;
  let twice: string | undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
    twice = duplicateKey(text);
  } catch (error) {
    throw bad(`its header is no JSON (${(error as Error).message})`);
  }
  if (twice !== undefined) throw bad(`its header has the key ${JSON.stringify(twice)} twice`);
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw bad('its header is no object');
  const start = 8 + length;
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => ({ name, ...checkEntry(name, entry, bad) }));
  entries.sort((a, b) => a.from - b.from || a.to - b.to);
  let at = 0;
  for (const { name, from, to } of entries) {
    if (from !== at) throw bad(`tensor ${name} begins at byte ${from} of the data, not at ${at}: there is a gap or an overlap`);
    at = to;
  }
  if (start + at !== size) throw bad(`its tensors take ${at} bytes, the file has ${size - start}: it is cut off or damaged`);
  return new Map(
    entries.map(({ name, dtype, shape, from, to }) => {
      const bytes = () => source.read(path, start + from, start + to);
      const place = async () => {
        const file = await source.fileOf?.(path);
        return file === undefined ? undefined : { file, start: start + from };
      };
      return [name, { dtype, shape, bytes, data: async () => decode(await bytes(), dtype), place }];
    }),
  );
}

/** Opens a safetensors file in memory. */
export const parseSafetensors = (bytes: Uint8Array): Promise<Checkpoint> =>
  readSafetensors(memory({ 'bytes.safetensors': bytes }), 'bytes.safetensors');

/**
 * The bytes of a safetensors file as Python's library writes it: tensors by width of their type, widest first, then by name.
 * @param alignment bytes of which the values begin at a multiple: from 64, an engine can use them where they lie @default 8, as Python's
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, TensorToWrite>>,
  metadata: Readonly<Record<string, string>> | null = { format: 'pt' },
  alignment = 8,
): Uint8Array {
  const entries = Object.entries(tensors).map(([name, { dtype, shape, data }]) => {
    const count = shape.reduce((product, n) => product * n, 1);
    const bytes = data instanceof Uint8Array ? data : encode(data, dtype);
    if (bytes.length !== count * (WIDTH[dtype] ?? Number.NaN))
      throw new Error(`tensor ${name} of shape [${shape}] and type ${dtype} cannot have ${bytes.length} bytes`);
    return { name, dtype, shape, bytes };
  });
  entries.sort((a, b) => ORDER.indexOf(b.dtype) - ORDER.indexOf(a.dtype) || codePointOrder(a.name, b.name));
  // Written one by one: an object would put names that are numbers first.
  const header = metadata ? [`"__metadata__":${JSON.stringify(metadata)}`] : [];
  let at = 0;
  for (const { name, dtype, shape, bytes } of entries) {
    header.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [at, at + bytes.length] })}`);
    at += bytes.length;
  }
  const text = new TextEncoder().encode(`{${header.join(',')}}`);
  const padded = Math.ceil((8 + text.length) / alignment) * alignment - 8;
  const file = new Uint8Array(8 + padded + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true);
  file.set(text, 8);
  file.fill(0x20, 8 + text.length, 8 + padded);
  let offset = 8 + padded;
  for (const { bytes } of entries) {
    file.set(bytes, offset);
    offset += bytes.length;
  }
  return file;
}

/** The order of types in Python's library; it writes the last first. */
const ORDER = ['BOOL', 'U8', 'I8', 'F8_E5M2', 'F8_E4M3', 'I16', 'U16', 'F16', 'BF16', 'I32', 'U32', 'F32', 'F64', 'I64', 'U64'];

function checkEntry(
  name: string,
  entry: unknown,
  bad: (problem: string) => Error,
): { dtype: string; shape: number[]; from: number; to: number } {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  if (typeof dtype !== 'string' || !Object.hasOwn(WIDTH, dtype)) throw bad(`tensor ${name} has the unknown type ${JSON.stringify(dtype)}`);
  if (!Array.isArray(shape) || !shape.every(isCount)) throw bad(`tensor ${name} has the shape ${JSON.stringify(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw bad(`tensor ${name} has the offsets ${JSON.stringify(offsets)}`);
  const bytes = (shape as number[]).reduce((product, n) => product * n, WIDTH[dtype] as number);
  const [from, to] = offsets as [number, number];
  if (!Number.isSafeInteger(bytes) || to - from !== bytes)
    throw bad(`tensor ${name} of shape [${shape}] and type ${dtype} needs ${bytes} bytes, its offsets give it ${to - from}`);
  return { dtype, shape: shape as number[], from, to };
}
