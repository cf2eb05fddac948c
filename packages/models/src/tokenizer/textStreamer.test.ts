import { describe, expect, test } from 'vitest';
import { fixturePath, SOTU } from '../fixtures/fixtures';
import { AutoTokenizer } from './AutoTokenizer';
import { textStreamer } from './textStreamer';

const TEXTS = [
  'Hello world, this is\na line\n and  another.',
  'emoji 😀👍🏽 and 日本語 é\u0301',
  ' starts and ends with spaces ',
  '\n\n tabs\tand\r\nlines',
];

describe.each(['sotu', 'gpt2', 'roberta', 'llama'])('%s', (name) => {
  test.each(TEXTS)('%j comes in whole characters', async (text) => {
    const tokenizer = await AutoTokenizer.fromPretrained(name === 'sotu' ? SOTU : fixturePath(`tokenizers/${name}`));
    const parts: string[] = [];
    const write = textStreamer(tokenizer, (part) => parts.push(part));
    const ids = tokenizer.encode(text);
    for (const id of ids) write([id]);
    write([-1]);
    expect(parts.join('')).toBe(tokenizer.decode(ids, { skip_special_tokens: true }));
    expect(parts.join('')).not.toBe('');
    expect(parts.every((part) => part !== '' && !part.includes('\uFFFD'))).toBe(true);
    expect(parts.length).toBeGreaterThan(3);
  });
});
