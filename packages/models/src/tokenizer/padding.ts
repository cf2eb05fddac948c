import type { BatchEncoding, Encoding, Side } from './TextTokenizer';

export interface PadOptions {
  /** Longer rows stay as they are. @default the longest row's */
  length?: number | undefined;
  side: Side;
  pad_token_id: number | null;
  pad_to_multiple_of?: number | undefined;
}

/** Fills rows up to one length, with mask 0 and type 0. Errors: where there is no padding token. */
export function padRows(
  rows: readonly Encoding[],
  { length, side, pad_token_id, pad_to_multiple_of: multiple = 1 }: PadOptions,
): BatchEncoding {
  const longest = rows.reduce((max, { input_ids }) => Math.max(max, input_ids.length), 0);
  const whole = Math.ceil((length ?? longest) / multiple) * multiple;
  const fill = (row: readonly number[], value: number): number[] => {
    const padding = Array.from({ length: Math.max(whole - row.length, 0) }, () => value);
    return side === 'left' ? [...padding, ...row] : [...row, ...padding];
  };
  if (pad_token_id === null && rows.some(({ input_ids }) => input_ids.length < whole))
    throw new Error('this tokenizer has no padding token: set one, e.g. tokenizer.pad_token = tokenizer.eos_token');
  const pad = pad_token_id ?? 0;
  return {
    input_ids: rows.map(({ input_ids }) => fill(input_ids, pad)),
    attention_mask: rows.map(({ attention_mask }) => fill(attention_mask, 0)),
    ...(rows.every(({ token_type_ids }) => token_type_ids) && {
      token_type_ids: rows.map(({ token_type_ids }) => fill(token_type_ids as number[], 0)),
    }),
  };
}

export type Truncation = 'longest_first' | 'only_first' | 'only_second';

/** Cuts a text, or a pair of texts, to `room` tokens in all. Errors: where nothing would be left of the one to be cut. */
export function truncatePair<T>(
  first: readonly T[],
  second: readonly T[] | undefined,
  room: number,
  strategy: Truncation,
  side: Side,
): [T[], T[] | undefined] {
  const cut = (tokens: readonly T[], length: number): T[] =>
    side === 'left' ? tokens.slice(Math.max(tokens.length - length, 0)) : tokens.slice(0, length);
  const over = first.length + (second?.length ?? 0) - room;
  if (over <= 0) return [[...first], second && [...second]];
  if (room === 0) return [[], second && []];
  if (strategy === 'longest_first') {
    if (!second) return [cut(first, room), undefined];
    const [a, b] = shares(first.length, second.length, room);
    return [cut(first, a), cut(second, b)];
  }
  const isFirst = strategy === 'only_first';
  if (!isFirst && !second) throw new Error('truncation "only_second" needs text_pair');
  const length = (isFirst ? first.length : (second as readonly T[]).length) - over;
  if (length <= 0) throw new Error(`truncation "${strategy}" cannot cut by ${over} tokens a text that has ${length + over}`);
  return isFirst ? [cut(first, length), second && [...second]] : [[...first], cut(second as readonly T[], length)];
}

/** How many tokens each of a pair keeps: the shorter one all of its own, if that leaves the other one as many; else both half. */
function shares(a: number, b: number, room: number): [number, number] {
  if (a > b) return shares(b, a, room).reverse() as [number, number];
  const rest = Math.max(a, room - a);
  if (a + rest <= room) return [a, rest];
  const half = Math.floor(room / 2);
  return [half, room - half];
}
