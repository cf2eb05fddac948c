import { type HubOptions, type Location, openSource } from '@peft/core';
import { fromVocabulary, VOCABULARIES } from './fromVocabulary';
import { makeTokenizer, type TokenizerFiles } from './makeTokenizer';
import { type SpeechPrefix, withPrefix } from './speechPrefix';
import type { TextTokenizer } from './TextTokenizer';

const SENTENCEPIECE = ['tokenizer.model', 'spiece.model', 'spm.model', 'sentencepiece.bpe.model', 'source.spm'];
const OTHERS = ['tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json', 'chat_template.jinja'];

/** Loads the tokenizer of a model. */
export const AutoTokenizer = {
  /**
   * From a folder, a hub repository or files in memory.
   * Errors: where there is neither `tokenizer.json` nor a vocabulary that can be read, what there is instead.
   */
  async fromPretrained(where: Location, options: HubOptions & SpeechPrefix = {}): Promise<TextTokenizer> {
    const { language, task, predict_timestamps } = options;
    const tokenizer = makeTokenizer(await filesOf(where, options));
    const asked = Object.entries({ language, task, predict_timestamps }).filter(([, value]) => value !== undefined);
    return asked.length > 0 ? withPrefix(tokenizer, Object.fromEntries(asked)) : tokenizer;
  },
};

async function filesOf(where: Location, options: HubOptions): Promise<TokenizerFiles> {
  const source = await openSource(where, options);
  const read = async (path: string) => new TextDecoder().decode(await source.read(path));
  const readAll = async (paths: readonly string[]) => {
    const found = await Promise.all(paths.map(async (path) => ((await source.has(path)) ? [[path, await read(path)] as const] : [])));
    return Object.fromEntries(found.flat());
  };
  if (await source.has('tokenizer.json')) return (await readAll([...OTHERS, 'tokenizer.json'])) as TokenizerFiles;
  const files = await readAll([...OTHERS, ...VOCABULARIES, 'config.json']);
  if (files['vocab.txt'] !== undefined || (files['vocab.json'] !== undefined && files['merges.txt'] !== undefined))
    return fromVocabulary(files);
  const sentencepiece = (await Promise.all(SENTENCEPIECE.map((path) => source.has(path)))).includes(true);
  throw new Error(
    sentencepiece
      ? `${source.describe} has its tokenizer as a sentencepiece model only, which cannot be read here: convert it with Python's AutoTokenizer.from_pretrained(…).save_pretrained(…), which writes tokenizer.json`
      : `${source.describe} has no tokenizer.json, and neither vocab.json with merges.txt nor vocab.txt`,
  );
}
