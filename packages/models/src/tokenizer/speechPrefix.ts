import { languageToken } from '../generate/languages';
import { makeTokenizer, type TokenizerFiles } from './makeTokenizer';
import type { TextTokenizer } from './TextTokenizer';

/** What stands before the text that Whisper's decoder learns. */
export interface SpeechPrefix {
  /** `en`, `english` or `<|en|>`. @default no token for it */
  language?: string;
  /** @default no token for it */
  task?: 'transcribe' | 'translate';
  /** Whether times may follow: then no token says that they do not. @default false */
  predict_timestamps?: boolean;
}

/** The tokens that a text of Whisper's begins with. Errors: the tokenizer has no such token. */
export function prefixTokens(tokenizer: TextTokenizer, { language, task, predict_timestamps = false }: SpeechPrefix): string[] {
  const tokens = [
    '<|startoftranscript|>',
    ...(language === undefined ? [] : [languageToken(language)]),
    ...(task === undefined ? [] : [`<|${task}|>`]),
    ...(predict_timestamps ? [] : ['<|notimestamps|>']),
  ];
  const missing = tokens.filter((token) => tokenizer.tokenToId(token) === undefined);
  if (missing.length > 0)
    throw new Error(`this tokenizer has no token ${missing.join(', ')}: it is not one of speech in that language or task`);
  return tokens;
}

/** A tokenizer that puts such tokens before every text, and the end behind it. */
export function withPrefix(tokenizer: TextTokenizer, prefix: SpeechPrefix): TextTokenizer {
  const before = prefixTokens(tokenizer, prefix);
  const end = tokenizer.eos_token as string;
  const files = tokenizer.files() as TokenizerFiles;
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const around = (...texts: string[]) => [
    ...before.map(special),
    ...texts.map((id, type_id) => ({ Sequence: { id, type_id } })),
    { SpecialToken: { id: end, type_id: texts.length - 1 } },
  ];
  const post_processor = {
    type: 'TemplateProcessing',
    single: around('A'),
    pair: around('A', 'B'),
    special_tokens: Object.fromEntries([...before, end].map((id) => [id, { id, ids: [tokenizer.tokenToId(id)], tokens: [id] }])),
  };
  const changed = { ...JSON.parse(files['tokenizer.json']), post_processor };
  return makeTokenizer({ ...files, 'tokenizer.json': JSON.stringify(changed) });
}
