import { memorySink, setWarningHandler } from '@peft/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixturePath, readFixture, SOTU } from '../fixtures/fixtures';
import { AutoTokenizer } from './AutoTokenizer';
import type { BatchEncoding, ChatMessage, ChatOptions, Encoding, TextTokenizer, TokenizeOptions } from './TextTokenizer';

interface Cases {
  length: number;
  roles: Record<string, string | null>;
  ids: Record<string, number | null>;
  special: number[];
  sides: [string, string];
  max: number | null;
  texts: { text: string; encoded: Encoding; bare: number[] }[];
  pairs: { text: string; pair: string; encoded: Encoding }[];
  calls: {
    texts: string | string[];
    pairs: string | string[] | null;
    options: TokenizeOptions;
    encoded: BatchEncoding | { error: string };
  }[];
  decoded: { ids: number[]; all: string; text: string }[];
  chat?: { messages: ChatMessage[]; options: ChatOptions; text: string }[];
}

const all = await readFixture<Record<string, Cases>>('tokenizers.json');
const folderOf = (name: string) => (name === 'sotu' ? SOTU : fixturePath(`tokenizers/${name}`));
// Python's tokenizers of no class of their own give types of 0 that their models then refuse; ours give them where they are asked for.
const GENERIC = ['sotu', 'llama', 't5'];
const warnings: string[] = [];
let previous: ReturnType<typeof setWarningHandler>;
beforeAll(() => {
  previous = setWarningHandler((message) => warnings.push(message));
});
afterAll(() => void setWarningHandler(previous));

describe.each(Object.entries(all))('%s', (name, cases) => {
  let tokenizer: TextTokenizer;
  const asHere = (encoded: object, options: TokenizeOptions = {}) =>
    GENERIC.includes(name) && !options.return_token_type_ids
      ? Object.fromEntries(Object.entries(encoded).filter(([field]) => field !== 'token_type_ids'))
      : encoded;
  beforeAll(async () => {
    tokenizer = await AutoTokenizer.fromPretrained(folderOf(name));
    if (tokenizer.pad_token === null) tokenizer.pad_token = tokenizer.eos_token;
  });

  test('knows its tokens and limits', () => {
    const roles = Object.fromEntries(Object.keys(cases.roles).map((role) => [role, tokenizer[role as 'pad_token']]));
    const ids = Object.fromEntries(Object.keys(cases.ids).map((role) => [role, tokenizer[role as 'pad_token_id']]));
    expect({ roles, ids }).toEqual({ roles: cases.roles, ids: cases.ids });
    expect(tokenizer.length).toBe(cases.length);
    // Special tokens that have no name count here too.
    expect(tokenizer.all_special_ids).toEqual(expect.arrayContaining(cases.special));
    expect([tokenizer.padding_side, tokenizer.truncation_side]).toEqual(cases.sides);
    expect(tokenizer.model_max_length).toBe(cases.max ?? Number.POSITIVE_INFINITY);
  });

  test.each(cases.texts)('encodes $text', ({ text, encoded, bare }) => {
    expect(tokenizer(text)).toEqual(asHere(encoded));
    expect(tokenizer.encode(text, { add_special_tokens: false })).toEqual(bare);
  });

  test.each(cases.pairs)('encodes the pair $text, $pair', ({ text, pair, encoded }) => {
    expect(tokenizer(text, { text_pair: pair })).toEqual(asHere(encoded));
  });

  test.each(cases.calls)('$options of $texts, pairs: $pairs', ({ texts, pairs, options, encoded }) => {
    const call = () => tokenizer(texts as string[], { ...(pairs && { text_pair: pairs }), ...options });
    if ('error' in encoded) expect(call).toThrow();
    else expect(call()).toEqual(asHere(encoded, options));
  });

  test.each(cases.decoded)('decodes to $text', ({ ids, all, text }) => {
    expect(tokenizer.decode(ids)).toBe(all);
    expect(tokenizer.decode(ids, { skip_special_tokens: true })).toBe(text);
    expect(tokenizer.batchDecode([ids, []], { skip_special_tokens: true })).toEqual([text, '']);
  });

  test.each(cases.chat ?? [])('renders a conversation, $options', ({ messages, options, text }) => {
    expect(tokenizer.applyChatTemplate(messages, options)).toBe(text);
  });

  test('is the same after it was saved', async () => {
    const sink = memorySink();
    await tokenizer.savePretrained(sink);
    const again = await AutoTokenizer.fromPretrained(sink.files);
    for (const { text, pair } of cases.pairs)
      expect(again(text, { text_pair: pair, padding: 'max_length', max_length: 90 })).toEqual(
        tokenizer(text, { text_pair: pair, padding: 'max_length', max_length: 90 }),
      );
    expect([again.pad_token, again.padding_side, again.eos_token, again.length]).toEqual([
      tokenizer.pad_token,
      tokenizer.padding_side,
      tokenizer.eos_token,
      tokenizer.length,
    ]);
    if (cases.chat) expect(again.applyChatTemplate(cases.chat[0]?.messages as ChatMessage[])).toBe(cases.chat[0]?.text);
  });
});
