import type { DataFile } from './DataFile';
import type { Damage } from './damage';
import type { Encoding } from './ReadOptions';

export interface Line {
  /** Counted from 1. */
  readonly number: number;
  /** Without the line's end. */
  readonly text: string;
}

const PIECE = 1 << 20; // bytes read at once
const LONGEST = 1 << 26; // bytes of a line

/**
 * The lines of a file of text, a bunch for each piece that is read. Lines whose bytes are none of the encoding are damage.
 * Errors: a line of more than 64 MB
 */
export async function* readLines(file: DataFile, given: Encoding, damage: Damage): AsyncGenerator<Line[], void, undefined> {
  const size = await file.size();
  const { encoding, skip } = markOf(await file.read(0, Math.min(3, size)), given);
  const decode = decoderOf(encoding);
  let number = 0;
  let rest = new Uint8Array(0); // a line whose end has not come yet
  const lineOf = (bytes: Uint8Array): Line[] => {
    number++;
    const text = decode(bytes);
    if (text !== undefined) return [{ number, text: text.endsWith('\r') ? text.slice(0, -1) : text }];
    damage.at(number, `its bytes are no ${encoding}; give the file's encoding, e.g. encoding: 'latin1'`);
    return [];
  };
  for (let at = skip; at < size; ) {
    const piece = await file.read(at, Math.min(size, at + PIECE));
    at += piece.length;
    const bytes = rest.length === 0 ? piece : joined(rest, piece);
    const ends = lineEnds(bytes, encoding, rest.length);
    const lines: Line[] = [];
    let from = 0;
    for (const end of ends) {
      lines.push(...lineOf(bytes.subarray(from, end)));
      from = end + unitOf(encoding);
    }
    rest = bytes.slice(from);
    if (rest.length > LONGEST) throw new Error(`${file.name}, line ${number + 1} has more than ${LONGEST} bytes: is this a file of lines?`);
    if (lines.length > 0) yield lines;
  }
  const last = rest.length > 0 ? lineOf(rest) : [];
  if (last.length > 0) yield last;
}

function markOf(head: Uint8Array, given: Encoding): { encoding: Encoding; skip: number } {
  const [a, b, c] = head;
  if (a === 0xef && b === 0xbb && c === 0xbf) return { encoding: 'utf-8', skip: 3 };
  if (a === 0xff && b === 0xfe) return { encoding: 'utf-16le', skip: 2 };
  if (a === 0xfe && b === 0xff) return { encoding: 'utf-16be', skip: 2 };
  return { encoding: given, skip: 0 };
}

const unitOf = (encoding: Encoding): number => (encoding.startsWith('utf-16') ? 2 : 1);

/** Where lines end; the first `known` bytes have no end. */
function lineEnds(bytes: Uint8Array, encoding: Encoding, known: number): number[] {
  const unit = unitOf(encoding);
  const ends: number[] = [];
  if (unit === 1) for (let i = bytes.indexOf(10, known); i >= 0; i = bytes.indexOf(10, i + 1)) ends.push(i);
  else {
    const low = encoding === 'utf-16le' ? 0 : 1;
    for (let i = known - (known % 2); i + 1 < bytes.length; i += 2) if (bytes[i + low] === 10 && bytes[i + 1 - low] === 0) ends.push(i);
  }
  return ends;
}

/** Text of bytes, or nothing where they are none. */
function decoderOf(encoding: Encoding): (bytes: Uint8Array) => string | undefined {
  if (encoding === 'latin1') return latin1;
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  return (bytes) => {
    try {
      return decoder.decode(bytes);
    } catch {
      return undefined;
    }
  };
}

/** Each byte is the character of its number, as in Python; browsers take the name for Windows' code page 1252. */
function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return text;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
