import { asOneGraph, type KeyValues, type ModelOutput, pause, reshape, slice, type TextBatch } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { heldPositions } from '../shared/cache';
import type { SpeechBatch } from '../shared/SpeechBatch';
import type { Settings } from './options';

/** What computes logits: a base model's forward pass, or that of one with adapters on it. */
export type Forward = (batch: TextBatch & Pick<SpeechBatch, 'input_features'>) => ModelOutput;

/** Token ids, and where padding stands among them: 0 in the mask, which is absent where there is none. */
export interface Prompts {
  ids: readonly (readonly number[])[];
  mask?: readonly (readonly number[])[] | undefined;
}

/** What an encoder reads while its decoder makes sequences. */
export interface EncoderInput {
  batch: Pick<TextBatch, 'input_ids' | 'encoder_outputs'> & Pick<SpeechBatch, 'input_features'>;
  /** Where padding stands among its ids. */
  mask?: Prompts['mask'];
}

/** Keys and values as tfjs's scopes take them: `KeyValues` is read-only. */
type Pair = { key: tf.Tensor4D; value: tf.Tensor4D };
type Cache = (Pair & { cross?: Pair; length?: number })[];

/** So many positions at least a cache gets room for when it is full. */
const ROOM = 64;

type DecodingSettings = Pick<Settings, 'use_cache' | 'cacheLimit' | 'max_new_tokens' | 'ignore_prefix_length'>;

/** Sequences that grow a token at a time, with the keys and values of what is behind them. */
export class Decoding {
  readonly sequences: number[][];
  readonly #mask: number[][] | undefined;
  readonly #forward: Forward;
  readonly #useCache: boolean;
  readonly #countsTokens: boolean;
  readonly #cacheLimit: number;
  readonly #input: EncoderInput | undefined;
  readonly #copies: number;
  readonly #promptLength: number;
  /** How long sequences become at most. */
  readonly #lastLength: number;
  #past: Cache | undefined;
  /** The encoder's output, where no cache stands for it. */
  #encoded: tf.Tensor3D | undefined;

  /**
   * @param input what the encoder reads, in models that have one; the prompts are then the decoder's
   * @param copies how many of the prompts belong to each of its rows
   */
  constructor(
    forward: Forward,
    { ids, mask }: Prompts,
    { use_cache, cacheLimit, max_new_tokens, ignore_prefix_length }: DecodingSettings,
    input?: EncoderInput,
    copies = 1,
  ) {
    this.#forward = forward;
    this.sequences = ids.map((row) => [...row]);
    this.#mask = masked(mask)?.map((row) => [...row]);
    this.#useCache = use_cache;
    this.#countsTokens = ignore_prefix_length;
    this.#cacheLimit = cacheLimit;
    this.#input = input;
    this.#copies = input ? copies : 1;
    this.#promptLength = ids[0]?.length ?? 0;
    this.#lastLength = this.#promptLength + max_new_tokens;
  }

  /** The scores of every sequence's next token. */
  scores(): Promise<Float32Array[]> {
    return this.#next((logits) => logits) as Promise<Float32Array[]>;
  }

  /** The likeliest next token of every sequence; of equals the first. */
  async likeliest(): Promise<number[]> {
    const tokens = await this.#next((logits) => tf.argMax(logits, 1));
    return tokens.map(([token]) => token as number);
  }

  /** Goes on by a token. @param choose what is wanted of the logits [rows, V] @returns it for every sequence */
  async #next(choose: (logits: tf.Tensor2D) => tf.Tensor): Promise<(Float32Array | Int32Array)[]> {
    // So that a signal can end it, and a page shows what came so far.
    await pause();
    this.#dropStaleCache();
    this.#makeRoom();
    const past = this.#past;
    // The encoder sees each row once, whatever becomes of it: its copies begin alike.
    const copies = past || this.#encoded ? 1 : this.#copies;
    const step = () => this.#step(copies, choose);
    // Behind the prompt every token takes the same small step.
    const { chosen, cache, encoded } = past ? asOneGraph(step) : step();
    try {
      if (cache !== past) this.#release(cache);
      this.#past = cache;
      if (encoded && encoded !== this.#encoded) {
        this.#encoded?.dispose();
        this.#encoded = encoded;
      }
      const all = (await chosen.data()) as Float32Array | Int32Array;
      const rows = chosen.shape[0] as number;
      const width = all.length / rows;
      return Array.from({ length: rows * copies }, (_, i) => {
        const row = Math.floor(i / copies);
        return all.slice(row * width, (row + 1) * width);
      });
    } finally {
      chosen.dispose();
    }
  }

  /** @param copies how many sequences become of each row */
  #step(
    copies: number,
    choose: (logits: tf.Tensor2D) => tf.Tensor,
  ): { chosen: tf.Tensor; cache: Cache | undefined; encoded: tf.Tensor3D | undefined } {
    return tf.tidy(() => {
      const output = this.#forward({
        ...(this.#input ? this.#decoderBatch(this.#input, copies) : this.#batch()),
        use_cache: this.#useCache,
        logits_to_keep: 1,
      });
      if (!output.logits) throw new Error('this model gives no logits: it does not generate');
      const { past_key_values: cache, encoder_last_hidden_state: encoded } = output;
      return {
        chosen: choose(lastPosition(output.logits as tf.Tensor3D)),
        cache: cache && mapCache(cache, (t) => repeatRows(t, copies)),
        encoded: this.#useCache ? undefined : encoded && repeatRows(encoded, copies),
      };
    });
  }

  #batch(): TextBatch {
    const past = this.#past;
    return {
      input_ids: past ? this.sequences.map((ids) => ids.slice(-1)) : this.sequences,
      ...(this.#mask && { attention_mask: this.#mask, position_ids: this.#mask.map((row) => positions(row, past !== undefined)) }),
      ...(past && { past_key_values: past }),
      prompt_length: this.#promptLength,
    };
  }

  /** Behind the limit a model's keys turn by other angles than those in the cache did: all are computed anew. */
  #dropStaleCache(): void {
    const held = heldPositions(this.#past);
    const padding = Math.min(...(this.#mask ?? [[]]).map((row) => row.filter((attended) => !attended).length));
    if (held === 0 || held - padding !== this.#cacheLimit) return;
    this.#release();
    this.#past = undefined;
  }

  /** A full cache gets room for the tokens to come, so that they can be written into it and not all be copied for each. */
  #makeRoom(): void {
    const past = this.#past;
    const size = past?.[0]?.key.shape[2] ?? 0;
    const length = heldPositions(past);
    if (!past || length < size) return;
    // With one position too many even the last step is the like of the others, in which some positions are empty.
    const toCome = this.#lastLength - (this.sequences[0] as number[]).length + 1;
    const more = Math.min(toCome, Math.max(ROOM, Math.ceil(size / 4)));
    const grow = (x: tf.Tensor4D) =>
      tf.pad(x, [
        [0, 0],
        [0, 0],
        [0, more],
        [0, 0],
      ]) as tf.Tensor4D; // [B, H, S, D]
    const grown = past.map(({ key, value, cross }) => ({ key: grow(key), value: grow(value), length, ...(cross && { cross }) }));
    this.#release(grown);
    this.#past = grown;
  }

  #decoderBatch({ batch, mask }: EncoderInput, copies: number): TextBatch {
    const [past, encoded] = [this.#past, this.#encoded];
    const whole = masked(mask)?.flatMap((row) => Array.from({ length: this.#copies / copies }, () => row));
    const sequences = this.sequences.filter((_, row) => row % copies === 0);
    const length = sequences[0]?.length ?? 0;
    return {
      ...(this.#countsTokens && { cache_position: Array.from({ length: past ? 1 : length }, (_, i) => (past ? length - 1 : i)) }),
      decoder_input_ids: past ? sequences.map((row) => row.slice(-1)) : sequences,
      ...(whole && { attention_mask: whole }),
      ...(past ? { past_key_values: past } : encoded ? { encoder_outputs: { last_hidden_state: encoded } } : batch),
    };
  }

  /** Adds a token to each sequence. */
  push(tokens: readonly number[]): void {
    tokens.forEach((token, row) => {
      (this.sequences[row] as number[]).push(token);
      this.#mask?.[row]?.push(1);
    });
  }

  /** Row i becomes what row `order[i]` is, of the same prompt: beams that go on take the place of those that do not. */
  reorder(order: readonly number[]): void {
    if (order.every((from, to) => from === to)) return;
    const sequences = order.map((from) => [...(this.sequences[from] as number[])]);
    sequences.forEach((ids, row) => {
      this.sequences[row] = ids;
    });
    const past = this.#past;
    if (!past) return;
    const moved = tf.tidy(() => {
      const rows = tf.tensor1d(order as number[], 'int32');
      // What comes from the encoder is the same in all beams of a prompt.
      return past.map(({ key, value, ...rest }) => ({ key: tf.gather(key, rows), value: tf.gather(value, rows), ...rest }));
    });
    this.#release(moved);
    this.#past = moved;
  }

  dispose(): void {
    this.#release();
    this.#past = undefined;
    this.#encoded?.dispose();
    this.#encoded = undefined;
  }

  /** Frees the cache but for what the next one goes on with. */
  #release(next: Cache = []): void {
    const kept = new Set(next.flatMap(tensorsOf));
    for (const tensor of (this.#past ?? []).flatMap(tensorsOf)) if (!kept.has(tensor)) tensor.dispose();
  }
}

const tensorsOf = ({ key, value, cross }: KeyValues[number]): tf.Tensor[] => [key, value, ...(cross ? [cross.key, cross.value] : [])];

function mapCache(cache: KeyValues, change: (tensor: tf.Tensor4D) => tf.Tensor4D): Cache {
  const pair = ({ key, value }: Pair): Pair => ({ key: change(key), value: change(value) });
  return cache.map(({ key, value, cross, ...rest }) => ({ ...rest, ...pair({ key, value }), ...(cross && { cross: pair(cross) }) }));
}

/** Each row `copies` times, one after the other. */
function repeatRows<T extends tf.Tensor>(x: T, copies: number): T {
  if (copies === 1) return x;
  const rows = Int32Array.from({ length: (x.shape[0] as number) * copies }, (_, row) => Math.floor(row / copies));
  return tf.gather(x, tf.tensor1d(rows, 'int32'));
}

/** A model that does not know `logits_to_keep` gives the logits of all positions: the last ones count. @param logits [rows, T, V] @returns [rows, V] */
function lastPosition(logits: tf.Tensor3D): tf.Tensor2D {
  const [rows, length, width] = logits.shape;
  const last = length === 1 ? logits : slice(logits, [0, length - 1, 0], [-1, 1, -1]);
  return reshape<tf.Tensor2D>(last, [rows, width]);
}

/** A mask that hides something. */
const masked = (mask: Prompts['mask']) => (mask?.some((row) => row.includes(0)) ? mask : undefined);

/** Positions that leave padding out; padding itself gets 1, as in Hugging Face's `generate`. */
function positions(mask: readonly number[], lastOnly: boolean): number[] {
  let seen = 0;
  const all = mask.map((attended) => (attended ? seen++ : 1));
  return lastOnly ? all.slice(-1) : all;
}
