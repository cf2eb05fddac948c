import { Callable, type Pickled, type PickleHandlers } from './unpickle';

/** Values in the file, which tensors are views of. */
export class Storage {
  constructor(
    readonly key: string,
    readonly dtype: string,
    readonly length: number,
  ) {}
}

/** A tensor as the pickle describes it. */
export class View {
  constructor(
    readonly storage: Storage,
    readonly dtype: string,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

class StorageType {
  constructor(readonly dtype: string) {}
}

class DataType {
  constructor(readonly dtype: string) {}
}

/** A name that the pickle may not use. */
export class NotAllowed extends Error {}

/** What a pickle in a file of torch.save may name: what builds tensors. */
export function handlersFor(path: string): PickleHandlers {
  return {
    global(name) {
      const known = Object.hasOwn(GLOBALS, name) ? GLOBALS[name] : undefined;
      if (known === undefined) throw new NotAllowed(`${path} asks to run "${name}"; only tensors are read`);
      return known;
    },
    persistent(id) {
      const [kind, type, key, , length, view] = Array.isArray(id) ? id : [];
      if (kind !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string' || !isCount(length))
        throw new Error('it refers to something else than values of tensors');
      if (view !== undefined && view !== null) throw new Error('it holds views of values, as torch wrote them before 0.4');
      return new Storage(key, type.dtype, length);
    },
  };
}

/** As many as torch allows. */
const MAX_AXES = 64;

const tensor = (storage: Pickled, dtype: string | undefined, offset: Pickled, shape: Pickled, strides: Pickled): View => {
  const areCounts = (value: Pickled): value is readonly number[] =>
    Array.isArray(value) && value.length <= MAX_AXES && value.every(isCount);
  if (
    !(storage instanceof Storage) ||
    !dtype ||
    !isCount(offset) ||
    !areCounts(shape) ||
    !areCounts(strides) ||
    shape.length !== strides.length
  )
    throw new Error('a tensor is described wrongly');
  return new View(storage, dtype, offset, shape, strides);
};

const STORAGES = {
  Double: 'F64',
  Float: 'F32',
  Half: 'F16',
  BFloat16: 'BF16',
  Long: 'I64',
  Int: 'I32',
  Short: 'I16',
  Char: 'I8',
  Byte: 'U8',
  Bool: 'BOOL',
};
const TYPES = {
  ...{
    float64: 'F64',
    float32: 'F32',
    float16: 'F16',
    bfloat16: 'BF16',
    int64: 'I64',
    int32: 'I32',
    int16: 'I16',
    int8: 'I8',
    uint8: 'U8',
    bool: 'BOOL',
  },
  ...{ uint16: 'U16', uint32: 'U32', uint64: 'U64', float8_e4m3fn: 'F8_E4M3', float8_e5m2: 'F8_E5M2' },
};

const GLOBALS: Readonly<Record<string, Pickled>> = {
  ...Object.fromEntries(Object.entries(STORAGES).map(([name, dtype]) => [`torch.${name}Storage`, new StorageType(dtype)])),
  ...Object.fromEntries(Object.entries(TYPES).map(([name, dtype]) => [`torch.${name}`, new DataType(dtype)])),
  'torch.storage.UntypedStorage': new StorageType('U8'),
  'collections.OrderedDict': new Callable('OrderedDict', ([items = []]) => {
    if (!Array.isArray(items) || !items.every((item) => Array.isArray(item) && item.length === 2))
      throw new Error('a dictionary is described wrongly');
    return new Map(items as [Pickled, Pickled][]);
  }),
  'torch.Size': new Callable('Size', ([shape = []]) => shape),
  'torch._utils._rebuild_tensor': new Callable('_rebuild_tensor', ([storage = null, offset = null, shape = null, strides = null]) =>
    tensor(storage, (storage as Storage | null)?.dtype, offset, shape, strides),
  ),
  'torch._utils._rebuild_tensor_v2': new Callable(
    '_rebuild_tensor_v2',
    ([storage = null, offset = null, shape = null, strides = null, , , metadata]) => {
      if (metadata instanceof Map && metadata.size > 0) throw new Error('a tensor is the conjugate or negative of what is stored');
      return tensor(storage, (storage as Storage | null)?.dtype, offset, shape, strides);
    },
  ),
  'torch._utils._rebuild_tensor_v3': new Callable(
    '_rebuild_tensor_v3',
    ([storage = null, offset = null, shape = null, strides = null, , , type]) =>
      tensor(storage, type instanceof DataType ? type.dtype : undefined, offset, shape, strides),
  ),
  'torch._utils._rebuild_parameter': new Callable('_rebuild_parameter', ([data = null]) => data),
  'torch._utils._rebuild_parameter_with_state': new Callable('_rebuild_parameter_with_state', ([data = null]) => data),
};
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
