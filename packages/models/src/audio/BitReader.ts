/** Reads whole numbers of any width from bytes, the most significant bit first. Errors: beyond the end. */
export interface BitReader {
  /** @param width up to 32 */
  unsigned(width: number): number;
  /** In two's complement. @param width up to 33 */
  signed(width: number): number;
  /** How many zeros there are before the next one, which is read, too. */
  zeros(): number;
  /** Goes on at the next whole byte. */
  align(): void;
  /** The byte at which the next bit stands. */
  readonly position: number;
}

export function bitReader(bytes: Uint8Array, from: number): BitReader {
  let at = from * 8;
  const end = bytes.length * 8;
  const take = (width: number) => {
    if (at + width > end) throw new Error('the file ends too early');
  };
  const unsigned = (width: number): number => {
    take(width);
    let value = 0;
    for (let left = width; left > 0; ) {
      const room = 8 - (at & 7);
      const count = Math.min(room, left);
      const part = ((bytes[at >>> 3] as number) >>> (room - count)) & ((1 << count) - 1);
      value = value * 2 ** count + part;
      at += count;
      left -= count;
    }
    return value;
  };
  return {
    unsigned,
    signed(width) {
      if (width === 0) return 0;
      const isNegative = unsigned(1) === 1;
      const rest = unsigned(width - 1);
      return isNegative ? rest - 2 ** (width - 1) : rest;
    },
    zeros() {
      let count = 0;
      for (;;) {
        take(1);
        const room = 8 - (at & 7);
        const rest = (bytes[at >>> 3] as number) & ((1 << room) - 1);
        if (rest !== 0) {
          const lead = Math.clz32(rest) - (32 - room);
          at += lead + 1;
          return count + lead;
        }
        count += room;
        at += room;
      }
    },
    align() {
      at = (at + 7) & ~7;
    },
    get position() {
      return at >>> 3;
    },
  };
}
