/** A value that a pickle asks some function to make; only those that `Restricted` names are made. */
export type Restricted = Readonly<Record<string, (args: unknown[]) => unknown>>;

/** Stands for a class or function that a pickle names. */
class Global {
  constructor(readonly name: string) {}
}

const MARK = Symbol('mark');
const MAX_ITEMS = 10_000_000;

/**
 * Reads a pickle without running anything: numbers, texts, lists, tuples and dictionaries, and of all functions only the named
 * ones, each a function of ours. Errors: the name of whatever else the pickle asks for.
 * @param persistent makes the values that stand outside the pickle
 */
export function unpickle(bytes: Uint8Array, allowed: Restricted, persistent: (id: unknown) => unknown, where: string): { value: unknown; end: number } {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: unknown[] = [];
  const memo = new Map<number, unknown>();
  let at = 0;
  const bad = (problem: string) => new Error(`${where} holds no valid pickle: ${problem}`);
  const take = (count: number): number => {
    if (count < 0 || at + count > bytes.length) throw bad('it ends early');
    at += count;
    return at - count;
  };
  const pop = (): unknown => {
    if (stack.length === 0) throw bad('it takes a value that is not there');
    return stack.pop();
  };
  const top = (): unknown => stack[stack.length - 1];
  const push = (value: unknown): void => {
    if (stack.push(value) > MAX_ITEMS) throw bad('it is too deep');
  };
  const toMark = (): unknown[] => {
    const from = stack.lastIndexOf(MARK);
    if (from < 0) throw bad('it takes values back to a mark that is not there');
    return stack.splice(from).slice(1);
  };
  const string = (count: number) => {
    const from = take(count);
    return new TextDecoder().decode(bytes.subarray(from, from + count));
  };
  const line = () => {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw bad('it ends early');
    const text = string(end - at);
    at = end + 1;
    return text;
  };
  const wide = (from: number) => Number(data.getBigUint64(from, true));
  const whole = (count: number): number => {
    const from = take(count);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[from + i] as number);
    if (count > 0 && (bytes[from + count - 1] as number) & 0x80) value -= 1n << BigInt(8 * count);
    return Number(value);
  };
  const global = (name: string) => {
    if (!Object.hasOwn(allowed, name)) throw new Error(`${where} asks to run "${name}"; only tensors are read`);
    return new Global(name);
  };
  const reduce = () => {
    const args = pop();
    const callee = pop();
    if (!(callee instanceof Global) || !Array.isArray(args)) throw bad('it calls what is no function');
    return (allowed[callee.name] as (args: unknown[]) => unknown)(args);
  };
  const setItems = (pairs: unknown[]) => {
    const target = top();
    if (!(target instanceof Map) || pairs.length % 2 !== 0) throw bad('it puts entries into what is no dictionary');
    for (let i = 0; i < pairs.length; i += 2) target.set(pairs[i], pairs[i + 1]);
  };
  const append = (items: unknown[]) => {
    const target = top();
    if (!Array.isArray(target)) throw bad('it appends to what is no list');
    for (const item of items) target.push(item);
  };

  for (;;) {
    const op = String.fromCharCode(bytes[take(1)] as number);
    switch (op) {
      case '\x80': // PROTO
        if ((bytes[take(1)] as number) > 5) throw bad('its version is too new');
        break;
      case '\x95': // FRAME
        take(8);
        break;
      case '.': // STOP
        return { value: pop(), end: at };
      case '(':
        push(MARK);
        break;
      case '0':
        pop();
        break;
      case '1':
        toMark();
        break;
      case '2':
        push(top());
        break;
      case 'N':
        push(null);
        break;
      case '\x88':
        push(true);
        break;
      case '\x89':
        push(false);
        break;
      case 'K':
        push(bytes[take(1)]);
        break;
      case 'M':
        push(data.getUint16(take(2), true));
        break;
      case 'J':
        push(data.getInt32(take(4), true));
        break;
      case '\x8a':
        push(whole(bytes[take(1)] as number));
        break;
      case '\x8b':
        push(whole(Math.min(data.getUint32(take(4), true), 64)));
        break;
      case 'I':
      case 'L': {
        const text = line();
        push(text === '01' ? true : text === '00' ? false : Number(text.replace(/L$/, '')));
        break;
      }
      case 'F':
        push(Number(line()));
        break;
      case 'G':
        push(data.getFloat64(take(8), false));
        break;
      case 'X':
        push(string(data.getUint32(take(4), true)));
        break;
      case '\x8c':
        push(string(bytes[take(1)] as number));
        break;
      case '\x8d':
        push(string(wide(take(8))));
        break;
      case 'V':
        push(line());
        break;
      case 'S':
        push(line().replace(/^['"]|['"]$/g, ''));
        break;
      case 'U':
        push(string(bytes[take(1)] as number));
        break;
      case 'T':
        push(string(data.getUint32(take(4), true)));
        break;
      case 'B':
        push(string(data.getUint32(take(4), true)));
        break;
      case 'C':
        push(string(bytes[take(1)] as number));
        break;
      case ')':
      case ']':
        push([]);
        break;
      case 't':
      case 'l':
        push(toMark());
        break;
      case '\x85':
        push([pop()]);
        break;
      case '\x86': {
        const b = pop();
        push([pop(), b]);
        break;
      }
      case '\x87': {
        const c = pop();
        const b = pop();
        push([pop(), b, c]);
        break;
      }
      case '}':
        push(new Map());
        break;
      case 'd': {
        const pairs = toMark();
        push(new Map());
        setItems(pairs);
        break;
      }
      case 's': {
        const value = pop();
        const key = pop();
        setItems([key, value]);
        break;
      }
      case 'u':
        setItems(toMark());
        break;
      case 'a': {
        const item = pop();
        append([item]);
        break;
      }
      case 'e':
        append(toMark());
        break;
      case 'q':
        memo.set(bytes[take(1)] as number, top());
        break;
      case 'r':
        memo.set(data.getUint32(take(4), true), top());
        break;
      case 'p':
        memo.set(Number(line()), top());
        break;
      case '\x94':
        memo.set(memo.size, top());
        break;
      case 'h':
      case 'j':
      case 'g': {
        const index = op === 'h' ? (bytes[take(1)] as number) : op === 'j' ? data.getUint32(take(4), true) : Number(line());
        if (!memo.has(index)) throw bad('it takes up a value that it did not put down');
        push(memo.get(index));
        break;
      }
      case 'c': {
        const module = line();
        push(global(`${module}.${line()}`));
        break;
      }
      case '\x93': {
        const name = pop();
        push(global(`${pop()}.${name}`));
        break;
      }
      case 'R':
        push(reduce());
        break;
      case 'Q':
        push(persistent(pop()));
        break;
      case 'b': {
        // BUILD sets attributes: torch puts a state dict's metadata on it, which holds no tensors.
        pop();
        break;
      }
      default:
        throw new Error(`${where} holds a pickle with the instruction 0x${op.charCodeAt(0).toString(16)}, which only data other than tensors needs; only tensors are read`);
    }
  }
}
