import type { TokenizerFiles } from './makeTokenizer';

type Files = Readonly<Record<string, string>>;
type Roles = Readonly<Record<string, string>>;
type Json = Record<string, unknown>;

interface Kind {
  /** Special tokens where the files do not name them. */
  roles: Roles;
  /** Parts of `tokenizer.json` beside tokens and model. */
  parts(config: Json, roles: Roles, idOf: (token: string) => number | undefined): Json;
}

const byteLevel = (config: Json) => ({
  type: 'ByteLevel',
  add_prefix_space: config.add_prefix_space === true,
  trim_offsets: true,
  use_regex: true,
});
const decoder = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };
const plain = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true };

const bert: Kind = {
  roles: { unk_token: '[UNK]', sep_token: '[SEP]', pad_token: '[PAD]', cls_token: '[CLS]', mask_token: '[MASK]' },
  parts: (config, { cls_token: cls = '', sep_token: sep = '' }, idOf) => ({
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config.tokenize_chinese_chars !== false,
      strip_accents: config.strip_accents ?? null,
      lowercase: config.do_lower_case !== false,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'BertProcessing', sep: [sep, idOf(sep)], cls: [cls, idOf(cls)] },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  }),
};

const roberta: Kind = {
  roles: {
    bos_token: '<s>',
    eos_token: '</s>',
    sep_token: '</s>',
    cls_token: '<s>',
    unk_token: '<unk>',
    pad_token: '<pad>',
    mask_token: '<mask>',
  },
  parts: (config, { cls_token: cls = '', sep_token: sep = '' }, idOf) => ({
    normalizer: null,
    pre_tokenizer: byteLevel(config),
    post_processor: {
      type: 'RobertaProcessing',
      sep: [sep, idOf(sep)],
      cls: [cls, idOf(cls)],
      trim_offsets: config.trim_offsets !== false,
      add_prefix_space: config.add_prefix_space === true,
    },
    decoder,
  }),
};

const gpt2: Kind = {
  roles: { bos_token: '<|endoftext|>', eos_token: '<|endoftext|>', unk_token: '<|endoftext|>' },
  parts: (config, { bos_token: bos = '' }, idOf) => ({
    normalizer: null,
    pre_tokenizer: byteLevel(config),
    post_processor: config.add_bos_token === true ? startingWith(bos, idOf(bos)) : plain,
    decoder,
  }),
};

const startingWith = (token: string, id: number | undefined) => {
  const special = (type_id: number) => ({ SpecialToken: { id: token, type_id } });
  const text = (name: string, type_id: number) => ({ Sequence: { id: name, type_id } });
  return {
    type: 'TemplateProcessing',
    single: [special(0), text('A', 0)],
    pair: [special(0), text('A', 0), special(1), text('B', 1)],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
};

const WORDS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const qwen2: Kind = {
  roles: { eos_token: '<|endoftext|>', unk_token: '<|endoftext|>', pad_token: '<|endoftext|>' },
  parts: () => ({
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: WORDS }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: { ...plain, add_prefix_space: false, use_regex: false },
    decoder,
  }),
};

/** By Python's class, without `Tokenizer` and `Fast`; and which class a `model_type` has, where files do not say. */
const KINDS: Readonly<Record<string, Kind>> = {
  Bert: bert,
  DistilBert: bert,
  Electra: bert,
  Roberta: roberta,
  Bart: roberta,
  GPT2: gpt2,
  Qwen2: qwen2,
};
const OF_MODEL: Readonly<Record<string, string>> = {
  bert: 'Bert',
  distilbert: 'DistilBert',
  roberta: 'Roberta',
  bart: 'Bart',
  gpt2: 'GPT2',
  opt: 'GPT2',
  qwen2: 'Qwen2',
  qwen3: 'Qwen2',
};

/** Files that hold a vocabulary, where there is no `tokenizer.json`. */
export const VOCABULARIES = ['vocab.json', 'merges.txt', 'vocab.txt'] as const;

/**
 * A tokenizer's files from its vocabulary, as older repositories hold it: `vocab.json` with `merges.txt`, or `vocab.txt`.
 * Which tokenizer it is stands in `tokenizer_config.json`, or follows from the model's `config.json`.
 * Errors: a class that is not known here.
 */
export function fromVocabulary(files: Files): TokenizerFiles {
  const read = (name: string) => (files[name] === undefined ? {} : (JSON.parse(files[name]) as Json));
  const { 'config.json': _, ...own } = files;
  const config = read('tokenizer_config.json');
  const specials = read('special_tokens_map.json');
  const stated = String(config.tokenizer_class ?? '').replace(/(Tokenizer)?(Fast)?$/, '');
  const model = read('config.json').model_type;
  const name = stated || (OF_MODEL[String(model)] ?? '');
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  const words = files['vocab.txt'] !== undefined && kind === bert;
  if (!kind || (kind === bert) !== words)
    throw new Error(
      `the vocabulary files of ${config.tokenizer_class ?? (model ? `a model of type ${model}` : 'a tokenizer that names no tokenizer_class')} cannot be read here; ` +
        `those of ${Object.keys(KINDS).join(', ')} can. Python's AutoTokenizer.from_pretrained(…).save_pretrained(…) writes tokenizer.json`,
    );
  const vocab = words ? linesOf(files['vocab.txt'] as string) : (read('vocab.json') as Record<string, number>);
  const roles = Object.fromEntries(
    Object.entries({ ...kind.roles, ...specials, ...config })
      .filter(([role, token]) => role.endsWith('_token') && !role.startsWith('add_') && token !== null)
      .map(([role, token]) => [role, contentOf(token)]),
  );
  const { tokens, idOf } = addedTokens(vocab, roles, { ...specials, ...config }, read('added_tokens.json') as Record<string, number>);
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: tokens,
    ...kind.parts(config, roles, idOf),
    model: words
      ? { type: 'WordPiece', unk_token: roles.unk_token, continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab }
      : {
          type: 'BPE',
          dropout: null,
          unk_token: null,
          fuse_unk: false,
          byte_fallback: false,
          vocab,
          merges: mergesOf(files['merges.txt'] as string),
        },
  };
  const completed = { tokenizer_class: `${name}Tokenizer`, ...kind.roles, ...specials, ...config };
  return { ...own, 'tokenizer_config.json': JSON.stringify(completed), 'tokenizer.json': JSON.stringify(tokenizer) };
}

const contentOf = (token: unknown): string => (typeof token === 'string' ? token : String((token as { content?: unknown }).content));

function linesOf(text: string): Record<string, number> {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return Object.fromEntries(lines.map((token, id) => [token, id]));
}

const mergesOf = (text: string): string[][] =>
  text
    .split(/\r?\n/)
    .filter((line) => line !== '' && !line.startsWith('#version'))
    .map((line) => line.split(' '));

/** Special tokens and those that were added to the vocabulary, by id. */
function addedTokens(vocab: Readonly<Record<string, number>>, roles: Roles, config: Json, added: Readonly<Record<string, number>>) {
  const more = ((config.additional_special_tokens ?? []) as unknown[]).map(contentOf);
  const special = new Set([...Object.values(roles), ...more]);
  const ids = new Map<string, number>(Object.entries(added));
  const stated = (config.added_tokens_decoder ?? {}) as Record<string, Json>;
  const details = new Map(Object.entries(stated).map(([id, token]) => [contentOf(token), { ...token, id: Number(id) }]));
  for (const [token, { id }] of details) ids.set(token, id);
  let next = Math.max(-1, ...Object.values(vocab), ...ids.values()) + 1;
  for (const token of special) if (!ids.has(token)) ids.set(token, Object.hasOwn(vocab, token) ? (vocab[token] as number) : next++);
  const tokens = [...ids]
    .sort(([, a], [, b]) => a - b)
    .map(([content, id]) => ({
      single_word: false,
      // As in Python, a mask takes in the space before it where spaces belong to tokens.
      lstrip: content === roles.mask_token && roles.bos_token !== undefined,
      rstrip: false,
      normalized: !special.has(content),
      special: special.has(content),
      ...details.get(content),
      id,
      content,
    }));
  return { tokens, idOf: (token: string) => ids.get(token) };
}
