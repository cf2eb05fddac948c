import { Template } from '@huggingface/jinja';
import { Tokenizer as Engine } from '@huggingface/tokenizers';
import { openSink, type PushOptions, pushToHub, warn, writePythonJson } from '@peft/core';
import { padRows, type Truncation, truncatePair } from './padding';
import type { ChatMessage, ChatOptions, Encoding, Side, TextTokenizer, TokenizeOptions } from './TextTokenizer';

const ROLES = ['bos_token', 'eos_token', 'pad_token', 'unk_token'] as const;
type Role = (typeof ROLES)[number];
// Whose models tell a pair's two texts apart, where tokenizer_config.json does not say.
const WITH_TYPES =
  /^(Albert|Bert|ConvBert|Deberta|DebertaV2|Electra|FNet|Funnel|Herbert|MobileBert|RemBert|RoFormer|SqueezeBert|XLNet)Tokenizer/;

/** A tokenizer's files as they were read: `tokenizer.json`, and others if there are. */
export type TokenizerFiles = Readonly<Record<string, string>> & { readonly 'tokenizer.json': string };

/** A tokenizer from the contents of its files. */
export function makeTokenizer(files: TokenizerFiles): TextTokenizer {
  const read = (name: string) => (files[name] === undefined ? {} : (JSON.parse(files[name]) as Record<string, unknown>));
  const config = read('tokenizer_config.json');
  const specials = read('special_tokens_map.json');
  const tokenizerJson = read('tokenizer.json');
  const engine = new Engine(tokenizerJson, config);
  const roles = Object.fromEntries(ROLES.map((role) => [role, contentOf(config[role] ?? specials[role])])) as Record<Role, string | null>;
  const given = { ...roles };
  const idOf = (token: string | null) => (token === null ? null : (engine.token_to_id(token) ?? null));
  const maxLength = config.model_max_length;
  const state = {
    padding_side: (config.padding_side === 'left' ? 'left' : 'right') as Side,
    truncation_side: (config.truncation_side === 'left' ? 'left' : 'right') as Side,
    // Files without a limit hold 10³⁰.
    model_max_length: typeof maxLength === 'number' && maxLength < 1e15 ? maxLength : Number.POSITIVE_INFINITY,
  };
  const inputNames = config.model_input_names as unknown;
  const hasTypes = Array.isArray(inputNames) ? inputNames.includes('token_type_ids') : WITH_TYPES.test(String(config.tokenizer_class));
  const addedTokens = [...engine.get_added_tokens_decoder().values()];
  // The engine gives added tokens as they look after normalization.
  const added = new Map(
    addedTokens.flatMap(({ content, id, normalized }) =>
      normalized && engine.normalizer ? [[engine.normalizer.normalize(content), id]] : [],
    ),
  );
  // RoBERTa knows pairs, but no types.
  const oneType = JSON.stringify(tokenizerJson.post_processor ?? null).includes('"RobertaProcessing"');
  const unknown = idOf(roles.unk_token) ?? undefined;

  /** The tokens with special ones around them, and which text each is of. */
  const join = (first: string[], second: string[] | undefined, special: boolean): { tokens: string[]; types: number[] } => {
    const plain = () => ({ tokens: [...first, ...(second ?? [])], types: [...first.map(() => 0), ...(second ?? []).map(() => 1)] });
    if (!engine.post_processor || !special) return plain();
    const { tokens, tokens_pair, token_type_ids } = engine.post_processor.post_process(first, second ?? null, true);
    const pair = tokens_pair ?? [];
    const types = token_type_ids ?? [...tokens.map(() => 0), ...pair.map(() => 1)];
    return { tokens: [...tokens, ...pair], types: oneType ? types.map(() => 0) : types };
  };
  const idsOf = (tokens: readonly string[]) =>
    tokens.flatMap((token) => {
      const id = added.get(token) ?? engine.token_to_id(token) ?? unknown;
      return id === undefined ? [] : [id];
    });

  const encodeOne = (text: string, pair: string | undefined, options: TokenizeOptions): Encoding => {
    const { add_special_tokens: special = true, truncation = false, truncation_side = state.truncation_side } = options;
    let first = engine.tokenize(text);
    let second = pair === undefined ? undefined : engine.tokenize(pair);
    const max = options.max_length ?? (truncation ? state.model_max_length : Number.POSITIVE_INFINITY);
    if (truncation && Number.isFinite(max)) {
      const added = join([], second && [], special).tokens.length;
      [first, second] = truncatePair(
        first,
        second,
        Math.max(max - added, 0),
        (truncation === true ? 'longest_first' : truncation) as Truncation,
        truncation_side,
      );
    }
    const { tokens, types } = join(first, second, special);
    const input_ids = idsOf(tokens);
    const withTypes = options.return_token_type_ids ?? hasTypes;
    return { input_ids, attention_mask: input_ids.map(() => 1), ...(withTypes && { token_type_ids: types }) };
  };

  const pad: TextTokenizer['pad'] = (rows, { padding = true, max_length, padding_side = state.padding_side, pad_to_multiple_of } = {}) => {
    const length = padding === 'max_length' ? (max_length ?? state.model_max_length) : undefined;
    if (length === Number.POSITIVE_INFINITY)
      throw new Error('padding: "max_length" needs max_length: this tokenizer has no limit of its own');
    return padRows(rows, { length, side: padding_side, pad_token_id: idOf(roles.pad_token), pad_to_multiple_of });
  };

  const call = (text: string | readonly string[], options: TokenizeOptions = {}) => {
    checkOptions(options);
    const texts = typeof text === 'string' ? [text] : text;
    // With a single text, an empty second one is none; so it is in Python.
    const given = typeof text === 'string' && options.text_pair === '' ? undefined : options.text_pair;
    const pairs = typeof given === 'string' ? [given] : given;
    if (pairs && pairs.length !== texts.length)
      throw new Error(`${texts.length} texts and ${pairs.length} in text_pair: give one for each`);
    const rows = texts.map((one, i) => encodeOne(one, pairs?.[i], options));
    const batch = options.padding
      ? pad(rows, options)
      : {
          input_ids: rows.map(({ input_ids }) => input_ids),
          attention_mask: rows.map(({ attention_mask }) => attention_mask),
          ...(rows[0]?.token_type_ids && { token_type_ids: rows.map(({ token_type_ids }) => token_type_ids as number[]) }),
        };
    return typeof text === 'string'
      ? Object.fromEntries(Object.entries(batch).map(([name, values]) => [name, (values as number[][])[0]]))
      : batch;
  };

  const allSpecial = addedTokens.filter(({ special }) => special).map(({ id }) => id);
  const specialIds = new Set(allSpecial);
  const isOfSpeech = /^Whisper/.test(String(config.tokenizer_class));
  const decode: TextTokenizer['decode'] = (ids, { skip_special_tokens = false } = {}) => {
    const said = isOfSpeech && skip_special_tokens ? withoutPrompt(ids, engine) : ids;
    const kept = said.filter((id) => engine.id_to_token(id) !== undefined && !(skip_special_tokens && specialIds.has(id)));
    if (kept.length === 0) return '';
    const text = engine.decode([...kept], { clean_up_tokenization_spaces: config.clean_up_tokenization_spaces === true });
    return isOfSpeech ? text.replaceAll(/<\|\d+\.\d+\|>/g, '') : text;
  };

  const applyChatTemplate = (
    messages: readonly ChatMessage[],
    { chat_template, add_generation_prompt = false, ...variables }: ChatOptions = {},
  ): string => {
    const own = files['chat_template.jinja'] ?? defaultTemplate(config.chat_template);
    const template = chat_template ?? own;
    if (template === undefined) throw new Error('this tokenizer has no chat template: give one as chat_template');
    const { bos_token, eos_token, unk_token, pad_token } = roles;
    const named = Object.fromEntries(Object.entries({ bos_token, eos_token, unk_token, pad_token }).filter(([, token]) => token !== null));
    return new Template(template).render({ messages, add_generation_prompt, ...named, ...variables });
  };

  const outFiles = (): Record<string, string> => {
    const changed = ROLES.filter((role) => roles[role] !== given[role]);
    const sides = { padding_side: state.padding_side, truncation_side: state.truncation_side };
    const moved = Object.entries(sides).filter(([name, side]) => side !== (config[name] ?? 'right'));
    if (changed.length === 0 && moved.length === 0) return { ...files };
    const named = Object.fromEntries(changed.map((role) => [role, roles[role]]));
    return {
      ...files,
      'tokenizer_config.json': writePythonJson({ ...config, ...named, ...Object.fromEntries(moved) }),
      'special_tokens_map.json': writePythonJson({ ...specials, ...named }),
    };
  };

  const size = engine.get_vocab().size;
  const setRole = (role: Role, token: string | null) => {
    if (token !== null && engine.token_to_id(token) === undefined)
      throw new Error(`${role} cannot be ${JSON.stringify(token)}: the tokenizer has no such token`);
    roles[role] = token;
  };
  const own: PropertyDescriptorMap = {
    // A function has a length of its own; a tokenizer's is that of its vocabulary.
    length: { get: () => size },
    all_special_ids: { value: allSpecial },
    ...Object.fromEntries(
      ROLES.map((role) => [role, { get: () => roles[role], set: (token: string | null) => setRole(role, token), enumerable: true }]),
    ),
    ...Object.fromEntries(ROLES.map((role) => [`${role}_id`, { get: () => idOf(roles[role]), enumerable: true }])),
    ...Object.fromEntries(
      Object.keys(state).map((name) => [
        name,
        { get: () => state[name as keyof typeof state], set: (value: never) => Object.assign(state, { [name]: value }), enumerable: true },
      ]),
    ),
  };
  const methods = {
    encode: (text: string, options: TokenizeOptions = {}) => encodeOne(text, options.text_pair as string | undefined, options).input_ids,
    decode,
    batchDecode: (rows: readonly (readonly number[])[], options?: { skip_special_tokens?: boolean }) =>
      rows.map((row) => decode(row, options)),
    pad,
    applyChatTemplate,
    tokenToId: (token: string) => engine.token_to_id(token),
    idToToken: (id: number) => engine.id_to_token(id),
    files: outFiles,
    async savePretrained(where: Parameters<TextTokenizer['savePretrained']>[0]) {
      const sink = await openSink(where);
      for (const [name, content] of Object.entries(outFiles())) await sink.write(name, content);
    },
    pushToHub: (repo: string, options?: PushOptions) => pushToHub(repo, outFiles(), options),
  };
  return Object.defineProperties(Object.assign(call, methods), own) as unknown as TextTokenizer;
}

function checkOptions({ padding, truncation, max_length: max, pad_to_multiple_of: multiple }: TokenizeOptions): void {
  if (padding !== undefined && ![true, false, 'longest', 'max_length'].includes(padding))
    throw new Error(`padding must be true, false, "longest" or "max_length", not ${JSON.stringify(padding)}`);
  if (truncation !== undefined && ![true, false, 'longest_first', 'only_first', 'only_second'].includes(truncation))
    throw new Error(`truncation must be true, false, "longest_first", "only_first" or "only_second", not ${JSON.stringify(truncation)}`);
  if (max !== undefined && !(Number.isInteger(max) && max > 0)) throw new Error(`max_length must be a whole number above 0, not ${max}`);
  if (multiple !== undefined && !(Number.isInteger(multiple) && multiple > 0))
    throw new Error(`pad_to_multiple_of must be a whole number above 0, not ${multiple}`);
  if (padding && truncation && max !== undefined && max % (multiple ?? 1) !== 0)
    throw new Error(`rows cut to max_length ${max} cannot be padded to a multiple of ${multiple}: make max_length one`);
  if (max !== undefined && !truncation && padding !== 'max_length')
    warn('max_length does nothing without truncation or padding: "max_length"');
}

/** What was said, without the text that was given before it. */
function withoutPrompt(ids: readonly number[], engine: Engine): readonly number[] {
  if (ids.length === 0 || ids[0] !== engine.token_to_id('<|startofprev|>')) return ids;
  const start = ids.indexOf(engine.token_to_id('<|startoftranscript|>') as number);
  return start < 0 ? [] : ids.slice(start);
}

/** Files hold a token as its text, or as an object around it. */
function contentOf(token: unknown): string | null {
  if (typeof token === 'string') return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : null;
}

/** Files hold one template, or several by name. */
function defaultTemplate(template: unknown): string | undefined {
  if (typeof template === 'string') return template;
  const found = Array.isArray(template)
    ? (template as { name?: string; template?: string }[]).find(({ name }) => name === 'default')
    : undefined;
  return found?.template;
}
