import type { PushOptions, SinkLocation, Tokenizer } from '@peft/core';

export type Side = 'left' | 'right';

/** How texts become ids; names, meaning and defaults are those of Hugging Face's tokenizers. */
export interface TokenizeOptions {
  /** Second texts, for pairs. */
  text_pair?: string | readonly string[];
  /** @default true */
  add_special_tokens?: boolean;
  /** `true` or `'longest'`: to the longest in the batch; `'max_length'`: to `max_length`. @default false */
  padding?: boolean | 'longest' | 'max_length';
  /** Cuts to `max_length`; of pairs the longer one token by token, or one of the two. @default false */
  truncation?: boolean | 'longest_first' | 'only_first' | 'only_second';
  /** @default the model's `model_max_length`, where padding or truncation asks for one */
  max_length?: number;
  padding_side?: Side;
  truncation_side?: Side;
  /** Lengths become multiples of it when padding. */
  pad_to_multiple_of?: number;
  /** @default what the model's tokenizer_config.json says: where types are among `model_input_names` */
  return_token_type_ids?: boolean;
}

/** What a batch of texts gives, ready for a model's forward pass; rows differ in length unless padded. */
export interface BatchEncoding {
  input_ids: number[][];
  attention_mask: number[][];
  token_type_ids?: number[][];
}

/** What a single text gives. */
export interface Encoding {
  input_ids: number[];
  attention_mask: number[];
  token_type_ids?: number[];
}

export interface ChatMessage {
  role: string;
  content: unknown;
  [field: string]: unknown;
}

export interface ChatOptions {
  /** Whether the text ends where the model's answer begins. @default false */
  add_generation_prompt?: boolean;
  /** Taken instead of the model's own template. */
  chat_template?: string;
  tools?: readonly unknown[];
  /** More variables for the template. */
  [variable: string]: unknown;
}

/** A tokenizer: called with a text or with many it gives ids and masks. */
export interface TextTokenizer extends Tokenizer {
  (text: string, options?: TokenizeOptions): Encoding;
  (texts: readonly string[], options?: TokenizeOptions): BatchEncoding;
  encode(text: string, options?: TokenizeOptions): number[];
  decode(ids: readonly number[], options?: { skip_special_tokens?: boolean }): string;
  batchDecode(rows: readonly (readonly number[])[], options?: { skip_special_tokens?: boolean }): string[];
  /** Fills up encodings of different lengths. */
  pad(
    rows: readonly Encoding[],
    options?: Pick<TokenizeOptions, 'padding' | 'max_length' | 'padding_side' | 'pad_to_multiple_of'>,
  ): BatchEncoding;
  /** A conversation as the text the model was trained on; with `tokenize: true` use `encode(text, { add_special_tokens: false })`. */
  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatOptions): string;
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
  bos_token: string | null;
  eos_token: string | null;
  /** Set it for models that have none: `tokenizer.pad_token = tokenizer.eos_token`. */
  pad_token: string | null;
  unk_token: string | null;
  readonly unk_token_id: number | null;
  padding_side: Side;
  truncation_side: Side;
  model_max_length: number;
  /** Ids of all tokens that stand for no text. */
  readonly all_special_ids: readonly number[];
  /** The tokenizer's files, by name. */
  files(): Readonly<Record<string, string>>;
  savePretrained(where: SinkLocation): Promise<void>;
  /** Writes the tokenizer's files to a repository of the hub. @returns the address of the commit */
  pushToHub(repo: string, options?: PushOptions): Promise<string>;
}
