/** What methods and training need of a tokenizer. */
export interface Tokenizer {
  /** Token ids of a text. */
  encode(text: string, options?: { add_special_tokens?: boolean }): number[];
  decode(ids: readonly number[], options?: { skip_special_tokens?: boolean }): string;
  readonly pad_token_id: number | null;
  readonly bos_token_id: number | null;
  readonly eos_token_id: number | null;
  readonly padding_side: 'left' | 'right';
  /** Number of tokens, added ones included. */
  readonly length: number;
}
