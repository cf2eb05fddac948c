import { decode, WIDTH } from './dtypes';
import type { Checkpoint, StoredTensor } from './safetensors';
import type { Source } from './source';
import { type Restricted, unpickle } from './unpickle';
import { type Bytes, readZip } from './zip';

/** torch's storage classes and dtypes, by the types' names in safetensors files. */
const STORAGES: Readonly<Record<string, string>> = {
  FloatStorage: 'F32',
  DoubleStorage: 'F64',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/** A run of values in the file. */
interface Storage {
  dtype: string;
  key: string;
  count: number;
}

interface TensorView {
  storage: Storage;
  offset: number;
  shape: number[];
  strides: number[];
}

const MAX_PICKLE = 1_000_000_000;
const LEGACY_MAGIC = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/** Opens what `torch.save` wrote: a dictionary of tensors. Nothing in the file is run. */
export async function readTorch(source: Source, path: string): Promise<Checkpoint> {
  const where = `${path} in ${source.describe}`;
  const file: Bytes = { size: await source.size(path), read: (start, end) => source.read(path, start, end) };
  const head = await file.read(0, Math.min(LEGACY_MAGIC.length, file.size));
  if (head[0] === 0x50 && head[1] === 0x4b) return readArchive(file, where);
  if (LEGACY_MAGIC.every((byte, i) => head[i] === byte)) return readLegacy(file, where);
  throw new Error(`${where} is not what torch.save writes: it is cut off, damaged or something else`);
}

async function readArchive(file: Bytes, where: string): Promise<Checkpoint> {
  const entries = await readZip(file, where);
  const pickle = [...entries].find(([name]) => name === 'data.pkl' || name.endsWith('/data.pkl'));
  if (!pickle) throw new Error(`${where} has no data.pkl: torch.save did not write it`);
  const [name, { start, size }] = pickle;
  if (size > MAX_PICKLE) throw new Error(`${where} has a pickle of ${size} bytes, more than names and shapes can take`);
  const prefix = name.slice(0, -'data.pkl'.length);
  const order = entries.get(`${prefix}byteorder`);
  if (order && new TextDecoder().decode(await file.read(order.start, order.start + order.size)) !== 'little') throw new Error(`${where} is big-endian, which cannot be read`);
  const { value } = unpickle(await file.read(start, start + size), constructors(where), storageOf(where), where);
  return checkpointOf(value, where, (storage) => {
    const entry = entries.get(`${prefix}data/${storage.key}`);
    if (!entry) throw new Error(`${where} has no values for storage ${storage.key}`);
    return { start: entry.start, size: entry.size };
  }, file);
}

/** Before torch 1.6: four pickles, then the values of all storages one after the other. */
async function readLegacy(file: Bytes, where: string): Promise<Checkpoint> {
  const bytes = await file.read(0, file.size);
  const read = (from: number) => {
    const { value, end } = unpickle(bytes.subarray(from), constructors(where), storageOf(where), where);
    return { value, end: from + end };
  };
  const magic = read(0);
  const protocol = read(magic.end);
  const system = read(protocol.end);
  if (system.value instanceof Map && system.value.get('little_endian') === false) throw new Error(`${where} is big-endian, which cannot be read`);
  const state = read(system.end);
  const keys = read(state.end);
  if (!Array.isArray(keys.value)) throw new Error(`${where} has no list of storages`);
  const widths = new Map(views(state.value, where).map(([, { storage }]) => [storage.key, WIDTH[storage.dtype] as number]));
  const places = new Map<string, { start: number; size: number }>();
  let at = keys.end;
  for (const key of keys.value.map(String)) {
    if (at + 8 > bytes.length) throw new Error(`${where} is cut off`);
    const count = Number(new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigInt64(0, true));
    const size = count * (widths.get(key) ?? Number.NaN);
    if (!(size >= 0) || at + 8 + size > bytes.length) throw new Error(`${where} is cut off: storage ${key} claims ${count} values`);
    places.set(key, { start: at + 8, size });
    at += 8 + size;
  }
  return checkpointOf(state.value, where, (storage) => {
    const place = places.get(storage.key);
    if (!place) throw new Error(`${where} has no values for storage ${storage.key}`);
    return place;
  }, file);
}

function checkpointOf(state: unknown, where: string, placeOf: (storage: Storage) => { start: number; size: number }, file: Bytes): Checkpoint {
  const all: Checkpoint = new Map();
  for (const [name, tensor] of views(state, where)) {
    const place = placeOf(tensor.storage);
    all.set(name, storedTensor(name, tensor, place, file, where));
  }
  return all;
}

/** Tensors of a state dict, which may lie in a dictionary under `state_dict`. */
function views(state: unknown, where: string): [string, TensorView][] {
  if (!(state instanceof Map)) throw new Error(`${where} holds no dictionary of tensors`);
  const inner = state.get('state_dict');
  const entries = [...(inner instanceof Map ? inner : state)];
  const other = entries.filter(([name, value]) => typeof name !== 'string' || !isView(value)).map(([name]) => String(name));
  if (other.length > 0) throw new Error(`${where} holds entries that are no tensors: ${other.join(', ')}`);
  return entries as [string, TensorView][];
}

const isView = (value: unknown): value is TensorView => typeof value === 'object' && value !== null && 'storage' in value && 'strides' in value;

function storedTensor(name: string, { storage, offset, shape, strides }: TensorView, place: { start: number; size: number }, file: Bytes, where: string): StoredTensor {
  const width = WIDTH[storage.dtype] as number;
  const count = shape.reduce((product, n) => product * n, 1);
  const last = count === 0 ? offset : offset + shape.reduce((sum, n, i) => sum + (n - 1) * (strides[i] as number), 0);
  if (!Number.isSafeInteger(count) || (count > 0 && (last + 1) * width > place.size))
    throw new Error(`${where}: tensor ${name} of shape [${shape}] reaches beyond its ${place.size} bytes of values`);
  const from = place.start + offset * width;
  const span = count === 0 ? 0 : (last - offset + 1) * width;
  const bytes = async () => {
    const raw = await file.read(from, from + span);
    return isContiguous(shape, strides) ? raw : rearrange(raw, shape, strides, width);
  };
  return { dtype: storage.dtype, shape, bytes, data: async () => decode(await bytes(), storage.dtype) };
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return false;
    expected *= shape[i] as number;
  }
  return true;
}

function rearrange(raw: Uint8Array, shape: readonly number[], strides: readonly number[], width: number): Uint8Array {
  const count = shape.reduce((product, n) => product * n, 1);
  const out = new Uint8Array(count * width);
  const index = shape.map(() => 0);
  for (let at = 0; at < count; at++) {
    const from = index.reduce((sum, n, i) => sum + n * (strides[i] as number), 0) * width;
    out.set(raw.subarray(from, from + width), at * width);
    for (let i = shape.length - 1; i >= 0 && ++(index[i] as number) === shape[i]; i--) index[i] = 0;
  }
  return out;
}

/** The only functions a file may name, each made of ours. */
function constructors(where: string): Restricted {
  const rebuild = ([storage, offset, shape, strides]: unknown[]): TensorView => {
    const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
    if (!isStorage(storage) || !isCount(offset) || !Array.isArray(shape) || !Array.isArray(strides) || ![...shape, ...strides].every(isCount) || shape.length !== strides.length)
      throw new Error(`${where} describes a tensor that cannot be`);
    return { storage, offset: offset as number, shape, strides };
  };
  // Named, never called: a storage refers to its class.
  const types = Object.fromEntries(Object.keys(STORAGES).map((name) => [`torch.${name}`, () => null]));
  return {
    ...types,
    'collections.OrderedDict': () => new Map(),
    'torch._utils._rebuild_tensor_v2': rebuild,
    'torch._utils._rebuild_tensor': rebuild,
    'torch._utils._rebuild_parameter': ([tensor]) => tensor,
    'torch.Size': ([sizes]) => sizes,
  };
}

const isStorage = (value: unknown): value is Storage => typeof value === 'object' && value !== null && 'dtype' in value && 'key' in value;

/** A storage as torch names it: ("storage", class, key, device, number of values[, view]). */
function storageOf(where: string): (id: unknown) => Storage {
  return (id) => {
    if (!Array.isArray(id) || id[0] !== 'storage') throw new Error(`${where} refers to something outside that is no storage`);
    const [, type, key, , count] = id as [string, { name?: string }, unknown, unknown, number];
    const dtype = STORAGES[String(type?.name).replace(/^torch\./, '')];
    if (!dtype) throw new Error(`${where} has values of the type ${type?.name}, which cannot be read`);
    return { dtype, key: String(key), count };
  };
}
