import type { Tokenizer } from '@peft/core';

/** Turns tokens as they come into text as it can be read: for the `onToken` of `generate`, one sequence. */
export function textStreamer(
  tokenizer: Pick<Tokenizer, 'decode'>,
  write: (text: string) => void,
  options: { skip_special_tokens?: boolean } = { skip_special_tokens: true },
): (tokens: readonly number[]) => void {
  // The tokens written last, which tell how the next ones are joined, and those that wait.
  let last: readonly number[] = [];
  let waiting: number[] = [];
  return ([token]) => {
    if (token === undefined || token < 0) return;
    waiting.push(token);
    const before = tokenizer.decode(last, options);
    const text = tokenizer.decode([...last, ...waiting], options);
    // A character may take several tokens: what is not whole yet ends with U+FFFD.
    if (text.endsWith('\uFFFD') || text.length <= before.length) return;
    write(text.slice(before.length));
    last = waiting;
    waiting = [];
  };
}
