import { type MemoryFiles, setWarningHandler } from '@peft/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturePath, readFixture } from '../fixtures/fixtures';
import { AutoTokenizer } from './AutoTokenizer';
import type { Encoding } from './TextTokenizer';

interface Cases {
  length: number;
  roles: Record<string, string | null>;
  texts: { text: string; encoded: Encoding; bare: number[] }[];
  pairs: { text: string; pair: string; encoded: Encoding }[];
}
const all = await readFixture<Record<string, Cases>>('tokenizers.json');
const { readFile } = await import('node:fs/promises');

/** The same tokenizer as older repositories hold it. */
async function vocabularyOf(name: string): Promise<Record<string, string>> {
  const read = async (file: string) => readFile(`${fixturePath(`tokenizers/${name}`)}/${file}`, 'utf8');
  const { model } = JSON.parse(await read('tokenizer.json')) as { model: { vocab: Record<string, number>; merges?: string[][] } };
  const words = Object.entries(model.vocab)
    .sort(([, a], [, b]) => a - b)
    .map(([token]) => token);
  return model.merges
    ? {
        'vocab.json': JSON.stringify(model.vocab),
        'merges.txt': `#version: 0.2\n${model.merges.map((pair) => pair.join(' ')).join('\n')}\n`,
        'tokenizer_config.json': await read('tokenizer_config.json'),
      }
    : { 'vocab.txt': `${words.join('\n')}\n`, 'tokenizer_config.json': await read('tokenizer_config.json') };
}

let previous: ReturnType<typeof setWarningHandler>;
beforeAll(() => {
  previous = setWarningHandler(() => {});
});
afterAll(() => void setWarningHandler(previous));

describe.each(['bert', 'roberta', 'gpt2'])('%s without tokenizer.json', (name) => {
  const { length, roles, texts, pairs } = all[name] as Cases;
  const check = async (files: MemoryFiles) => {
    const tokenizer = await AutoTokenizer.fromPretrained(files);
    expect(tokenizer.length).toBe(length);
    for (const { text, encoded, bare } of texts) {
      expect(tokenizer(text), text).toEqual(encoded);
      expect(tokenizer.encode(text, { add_special_tokens: false })).toEqual(bare);
    }
    for (const { text, pair, encoded } of pairs) expect(tokenizer(text, { text_pair: pair })).toEqual(encoded);
    return tokenizer;
  };

  it('gives what Python gives', async () => {
    const tokenizer = await check(await vocabularyOf(name));
    for (const [role, token] of Object.entries(roles)) if (role !== 'pad_token') expect(tokenizer[role as 'eos_token']).toBe(token);
    // Saved, it has one.
    await check(tokenizer.files());
  });

  it('follows from the model where no class is named', async () => {
    const { 'tokenizer_config.json': _, ...files } = await vocabularyOf(name);
    await check({ ...files, 'config.json': JSON.stringify({ model_type: name }) });
  });
});

it('knows tokens that were added, and one to start with', async () => {
  const files = await vocabularyOf('gpt2');
  const config = { tokenizer_class: 'GPT2Tokenizer', add_bos_token: true, pad_token: '<pad>' };
  const tokenizer = await AutoTokenizer.fromPretrained({
    ...files,
    'tokenizer_config.json': JSON.stringify(config),
    'added_tokens.json': JSON.stringify({ '<new>': 500, '<pad>': 501 }),
  });
  expect(tokenizer.length).toBe(502);
  expect([tokenizer.pad_token_id, tokenizer.bos_token_id]).toEqual([501, 0]);
  const [first, ...rest] = tokenizer.encode('a<new>b<pad>');
  expect(first).toBe(0);
  expect(rest).toEqual([
    ...tokenizer.encode('a', { add_special_tokens: false }),
    500,
    ...tokenizer.encode('b', { add_special_tokens: false }),
    501,
  ]);
  expect(tokenizer.decode([500, 501], { skip_special_tokens: true })).toBe('<new>');
});

it('refuses what cannot be read, and says what to do', async () => {
  const files = await vocabularyOf('gpt2');
  const refused = (more: MemoryFiles) => expect(AutoTokenizer.fromPretrained(more)).rejects;
  await refused({ ...files, 'tokenizer_config.json': '{"tokenizer_class": "XLMTokenizer"}' }).toThrow(
    /of XLMTokenizer cannot be read here; those of Bert/,
  );
  await refused({ ...files, 'tokenizer_config.json': '{}' }).toThrow(/names no tokenizer_class cannot be read here/);
  await refused({ 'sentencepiece.bpe.model': 'x', 'tokenizer_config.json': '{}' }).toThrow(
    /sentencepiece model only.*writes tokenizer\.json/,
  );
  await refused({ 'vocab.json': '{}' }).toThrow(/no tokenizer\.json, and neither vocab\.json with merges\.txt nor vocab\.txt/);
});
