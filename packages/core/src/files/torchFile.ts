import { warn } from '../warn';
import { decode, WIDTH } from './dtypes';
import type { Checkpoint, StoredTensor } from './safetensors';
import type { Source } from './source';
import { handlersFor, NotAllowed, type Storage, View } from './torchPickle';
import { type Pickled, type PickleHandlers, unpickle } from './unpickle';
import { readZip, type ZipEntry } from './zip';

const MAX_PICKLE = 100_000_000;
/** What older files of torch.save begin with. */
const MAGIC = 0x1950a86a20f9469cfc6cn;

/** Where in the file a storage lies. */
type Places = (storage: Storage) => { size: number; start(): Promise<number> };

/**
 * Opens what `torch.save` wrote: a dictionary of tensors, which are read on demand. The pickle in it builds tensors and nothing
 * else. Errors: a name of anything else to run, and whatever contradicts itself or leads out of the file.
 */
export async function readTorch(source: Source, path: string): Promise<Checkpoint> {
  const bad = (problem: string) => new Error(`${path} in ${source.describe} is no valid torch file: ${problem}`);
  const size = await source.size(path);
  if (size < 4) throw bad(`it has ${size} bytes`);
  const isZip = new DataView(new Uint8Array(await source.read(path, 0, 4)).buffer).getUint32(0) === 0x504b0304;
  const handlers = handlersFor(path);
  const { value, places } = isZip ? await readArchive(source, path, handlers, bad) : await readLegacy(source, path, handlers, bad);
  if (!(value instanceof Map)) throw bad('it holds no dictionary of tensors');
  const ignored = [...value]
    .filter(([name, item]) => typeof name !== 'string' || !(item instanceof View))
    .map(([name]) => (typeof name === 'string' ? name : `(${typeof name})`));
  if (ignored.length > 0 && ignored.length === value.size) throw bad(`none of its entries is a tensor: ${ignored.join(', ')}`);
  if (ignored.length > 0) warn(`${path} in ${source.describe} holds entries that are no tensors and are ignored: ${ignored.join(', ')}`);
  const checkpoint: Checkpoint = new Map();
  for (const [name, item] of value)
    if (typeof name === 'string' && item instanceof View) checkpoint.set(name, open(source, path, name, item, places, bad));
  return checkpoint;
}

async function readArchive(
  source: Source,
  path: string,
  handlers: PickleHandlers,
  bad: (problem: string) => Error,
): Promise<{ value: Pickled; places: Places }> {
  const entries = await readZip(source, path);
  const names = [...entries.keys()];
  const pickle = names.find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (!pickle) throw bad('the archive has no data.pkl');
  const root = pickle.slice(0, -'data.pkl'.length);
  if (names.includes(`${root}constants.pkl`)) throw bad('it is a TorchScript program, not a dictionary of tensors');
  const read = async (name: string, limit: number) => {
    const { start, size } = entries.get(name) as ZipEntry;
    if (size > limit) throw bad(`${name} has ${size} bytes, more than the ${limit} allowed`);
    const from = await start();
    return source.read(path, from, from + size);
  };
  if (names.includes(`${root}byteorder`) && new TextDecoder().decode(await read(`${root}byteorder`, 100)) !== 'little')
    throw bad('it was written on a big-endian machine');
  const { value } = explain(await read(pickle, MAX_PICKLE), 0, handlers, bad);
  return {
    value,
    places: ({ key }) => {
      const entry = entries.get(`${root}data/${key}`);
      if (!entry) throw bad(`the values data/${key} are missing`);
      return entry;
    },
  };
}

/** Pickles one after another (a magic number, a version, the machine, the object, the storages' keys), then the storages. */
async function readLegacy(
  source: Source,
  path: string,
  handlers: PickleHandlers,
  bad: (problem: string) => Error,
): Promise<{ value: Pickled; places: Places }> {
  const size = await source.size(path);
  const head = await source.read(path, 0, Math.min(size, MAX_PICKLE));
  if (head[0] !== 0x80) throw bad('it begins neither as a zip archive nor as a pickle');
  const magic = explain(head, 0, handlers, bad);
  if (magic.value !== MAGIC) throw bad('it is some other pickle');
  const version = explain(head, magic.end, handlers, bad);
  const machine = explain(head, version.end, handlers, bad);
  if (!(machine.value instanceof Map) || machine.value.get('little_endian') !== true) throw bad('it was written on a big-endian machine');
  const storages = new Map<string, Storage>();
  const object = explain(
    head,
    machine.end,
    { ...handlers, persistent: (id) => remember(storages, handlers.persistent(id) as Storage) },
    bad,
  );
  const keys = explain(head, object.end, handlers, bad);
  if (!Array.isArray(keys.value)) throw bad('it has no list of values');
  const found = new Map<string, ReturnType<Places>>();
  let at = keys.end;
  for (const key of keys.value) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (!storage || found.has(key)) throw bad('it lists values that no tensor uses, or twice');
    if (at + 8 > size) throw bad('it is cut off');
    const prefix = await source.read(path, at, at + 8);
    const length = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigInt64(0, true));
    if (length !== storage.length) throw bad(`the values ${key} are ${length} in one place and ${storage.length} in another`);
    const bytes = length * (WIDTH[storage.dtype] as number);
    if (at + 8 + bytes > size)
      throw bad(`the values ${key} need ${bytes} bytes, the file has ${size - at - 8} left: it is cut off or damaged`);
    const start = at + 8;
    found.set(key, { size: bytes, start: async () => start });
    at += 8 + bytes;
  }
  return {
    value: object.value,
    places: ({ key }) => {
      const place = found.get(key);
      if (!place) throw bad(`the values ${key} are missing`);
      return place;
    },
  };
}

function remember(storages: Map<string, Storage>, storage: Storage): Storage {
  const known = storages.get(storage.key);
  if (known && (known.dtype !== storage.dtype || known.length !== storage.length))
    throw new Error(`the values ${storage.key} are described in two ways`);
  storages.set(storage.key, storage);
  return storage;
}

const explain = (bytes: Uint8Array, start: number, handlers: PickleHandlers, bad: (problem: string) => Error) => {
  try {
    return unpickle(bytes, start, handlers);
  } catch (error) {
    throw error instanceof NotAllowed ? error : bad((error as Error).message);
  }
};

/** A tensor of the file, after a look at whether all of it lies in its storage and its storage in the file. */
function open(source: Source, path: string, name: string, view: View, places: Places, bad: (problem: string) => Error): StoredTensor {
  const { storage, dtype, offset, shape, strides } = view;
  const width = WIDTH[dtype] as number;
  const count = shape.reduce((product, n) => product * n, 1);
  const last = shape.reduce((index, n, i) => index + (n - 1) * (strides[i] as number), offset);
  const needed = count === 0 ? 0 : (last + 1) * width;
  const { start, size } = places(storage);
  const claimed = storage.length * (WIDTH[storage.dtype] as number);
  if (!(claimed <= size)) throw bad(`the values of ${name} should be ${claimed} bytes and are ${size}`);
  if (!(needed <= claimed))
    throw bad(`tensor ${name} of shape [${shape}], strides [${strides}] and offset ${offset} does not lie in its ${storage.length} values`);
  // Else a few bytes could ask for any amount of memory.
  if (!(count * width <= claimed)) throw bad(`tensor ${name} of shape [${shape}] repeats its ${storage.length} values`);
  const bytes = async () => {
    if (count === 0) return new Uint8Array(0);
    const from = await start();
    const stored = await source.read(path, from + offset * width, from + needed);
    return isContiguous(shape, strides) ? stored : gather(stored, shape, strides, width);
  };
  const place = async () => {
    const file = isContiguous(shape, strides) ? await source.fileOf?.(path) : undefined;
    return file === undefined ? undefined : { file, start: (await start()) + offset * width };
  };
  return { dtype, shape, bytes, data: async () => decode(await bytes(), dtype), place };
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return false;
    expected *= shape[i] as number;
  }
  return true;
}

/** Row-major bytes of values that lie in another order. */
function gather(stored: Uint8Array, shape: readonly number[], strides: readonly number[], width: number): Uint8Array {
  const count = shape.reduce((product, n) => product * n, 1);
  const bytes = new Uint8Array(count * width);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < count; to++) {
    for (let b = 0; b < width; b++) bytes[to * width + b] = stored[from * width + b] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis] as number;
      if (++(index[axis] as number) < (shape[axis] as number)) break;
      from -= (strides[axis] as number) * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return bytes;
}
