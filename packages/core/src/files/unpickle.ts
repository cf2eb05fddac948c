/** What a pickle may hold here. Tuples and lists are arrays, dictionaries are maps; an object is what `global` or `persistent` made. */
export type Pickled =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Pickled[]
  | Map<Pickled, Pickled>
  | Callable
  | object;

/** Something that a pickle names and calls. */
export class Callable {
  constructor(
    readonly name: string,
    readonly call: (args: readonly Pickled[]) => Pickled,
  ) {}
}

export interface PickleHandlers {
  /** What a name stands for. Errors: names that are not allowed. */
  global(name: string): Pickled;
  /** What an id of something outside the pickle stands for. */
  persistent(id: Pickled): Pickled;
}

class Mark {}

/**
 * Reads one of Python's pickles, where nothing runs but what `global` allows, and returns it with the place of its end.
 * The work and the memory it takes are bounded by the number of bytes.
 */
export function unpickle(bytes: Uint8Array, start: number, handlers: PickleHandlers): { value: Pickled; end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: (Pickled | Mark)[] = [];
  const memo = new Map<number, Pickled>();
  let at = start;

  const take = (count: number): number => {
    if (count > bytes.length - at) throw new Error('the pickle is cut off');
    at += count;
    return at - count;
  };
  const u8 = () => bytes[take(1)] as number;
  const u16 = () => view.getUint16(take(2), true);
  const u32 = () => view.getUint32(take(4), true);
  const u64 = () => Number(view.getBigUint64(take(8), true));
  const raw = (count: number) => bytes.subarray(take(count), at);
  const text = (count: number) => new TextDecoder().decode(raw(count));
  const line = () => {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) throw new Error('the pickle is cut off');
    const found = text(end - at);
    at++;
    return found;
  };
  const pop = (): Pickled => {
    const value = stack.pop();
    if (value === undefined || value instanceof Mark) throw new Error('the pickle takes more than it put');
    return value;
  };
  const top = (): Pickled => {
    const value = pop();
    stack.push(value);
    return value;
  };
  const popMark = (): Pickled[] => {
    const from = stack.findLastIndex((value) => value instanceof Mark);
    if (from < 0) throw new Error('the pickle takes more than it put');
    return stack.splice(from).slice(1) as Pickled[];
  };
  const popLast = (count: number): Pickled[] => Array.from({ length: count }, pop).reverse();
  const list = (): Pickled[] => {
    const value = top();
    if (!Array.isArray(value)) throw new Error('the pickle adds items to what is no list');
    return value;
  };
  const setItems = (items: Pickled[]) => {
    const target = top();
    if (!(target instanceof Map) || items.length % 2 !== 0) throw new Error('the pickle sets entries of what is no dictionary');
    for (let i = 0; i < items.length; i += 2) target.set(items[i] as Pickled, items[i + 1] as Pickled);
  };
  const toMap = (items: Pickled[]) => {
    stack.push(new Map());
    setItems(items);
  };
  const recall = (index: number) => {
    const value = memo.get(index);
    if (value === undefined) throw new Error('the pickle recalls what it never kept');
    stack.push(value);
  };

  const instructions: Record<number, () => void> = {
    0x80: () => void take(1), // PROTO
    0x95: () => void take(8), // FRAME
    0x28: () => void stack.push(new Mark()), // MARK
    0x30: () => void stack.pop(), // POP
    0x31: () => void popMark(), // POP_MARK
    0x32: () => void stack.push(top()), // DUP
    0x4e: () => void stack.push(null), // NONE
    0x88: () => void stack.push(true), // NEWTRUE
    0x89: () => void stack.push(false), // NEWFALSE
    0x49: () => void stack.push(fromLine(line())), // INT
    0x4c: () => void stack.push(fromLine(line().replace(/L$/, ''))), // LONG
    0x46: () => void stack.push(Number(line())), // FLOAT
    0x4a: () => void stack.push(view.getInt32(take(4), true)), // BININT
    0x4b: () => void stack.push(u8()), // BININT1
    0x4d: () => void stack.push(u16()), // BININT2
    0x8a: () => void stack.push(fromBytes(raw(u8()))), // LONG1
    0x8b: () => void stack.push(fromBytes(raw(Math.min(u32(), bytes.length)))), // LONG4
    0x47: () => void stack.push(view.getFloat64(take(8))), // BINFLOAT
    0x55: () => void stack.push(text(u8())), // SHORT_BINSTRING
    0x54: () => void stack.push(text(u32())), // BINSTRING
    0x56: () => void stack.push(line()), // UNICODE
    0x8c: () => void stack.push(text(u8())), // SHORT_BINUNICODE
    0x58: () => void stack.push(text(u32())), // BINUNICODE
    0x8d: () => void stack.push(text(u64())), // BINUNICODE8
    0x43: () => void stack.push(raw(u8())), // SHORT_BINBYTES
    0x42: () => void stack.push(raw(u32())), // BINBYTES
    0x8e: () => void stack.push(raw(u64())), // BINBYTES8
    0x29: () => void stack.push([]), // EMPTY_TUPLE
    0x85: () => void stack.push(popLast(1)), // TUPLE1
    0x86: () => void stack.push(popLast(2)), // TUPLE2
    0x87: () => void stack.push(popLast(3)), // TUPLE3
    0x74: () => void stack.push(popMark()), // TUPLE
    0x5d: () => void stack.push([]), // EMPTY_LIST
    0x6c: () => void stack.push(popMark()), // LIST
    0x7d: () => void stack.push(new Map()), // EMPTY_DICT
    0x64: () => toMap(popMark()), // DICT
    0x73: () => setItems(popLast(2)), // SETITEM
    0x75: () => setItems(popMark()), // SETITEMS
    // APPEND, APPENDS: the items stand above the list
    0x61: () => {
      const item = pop();
      list().push(item);
    },
    0x65: () => {
      const items = popMark();
      const target = list();
      for (const item of items) target.push(item);
    },
    0x70: () => void memo.set(Number(line()), top()), // PUT
    0x71: () => void memo.set(u8(), top()), // BINPUT
    0x72: () => void memo.set(u32(), top()), // LONG_BINPUT
    0x94: () => void memo.set(memo.size, top()), // MEMOIZE
    0x67: () => recall(Number(line())), // GET
    0x68: () => recall(u8()), // BINGET
    0x6a: () => recall(u32()), // LONG_BINGET
    0x51: () => void stack.push(handlers.persistent(pop())), // BINPERSID
    0x63: () => void stack.push(handlers.global(`${line()}.${line()}`)), // GLOBAL
    0x69: () => void handlers.global(`${line()}.${line()}`), // INST, of which nothing allowed makes use
    // STACK_GLOBAL
    0x93: () => {
      const [module, name] = popLast(2);
      stack.push(handlers.global(`${String(module)}.${String(name)}`));
    },
    // REDUCE
    0x52: () => {
      const [callee, args] = popLast(2);
      if (!(callee instanceof Callable) || !Array.isArray(args)) throw new Error('the pickle calls what cannot be called');
      stack.push(callee.call(args));
    },
    // BUILD: attributes, such as the version numbers in a state dict's _metadata, are of no use here
    0x62: () => {
      pop();
      if (!(top() instanceof Map)) throw new Error('the pickle sets attributes of what has none');
    },
  };

  for (;;) {
    const code = u8();
    if (code === 0x2e) return { value: pop(), end: at }; // STOP
    const run = instructions[code];
    if (!run)
      throw new Error(`the pickle holds the instruction 0x${code.toString(16).padStart(2, '0')}, which building tensors does not need`);
    run();
  }
}

function fromLine(text: string): Pickled {
  if (text === '00' || text === '01') return text === '01';
  if (!/^-?\d{1,1000}$/.test(text)) throw new Error('the pickle holds a number that is none');
  return narrow(BigInt(text));
}

/** Little-endian, two's complement. */
function fromBytes(bytes: Uint8Array): Pickled {
  if (bytes.length > 1000) throw new Error('the pickle holds a number too large for use');
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  return narrow(BigInt.asIntN(8 * bytes.length, value));
}

const narrow = (value: bigint): number | bigint => (value >= -(2n ** 53n) && value <= 2n ** 53n ? Number(value) : value);
