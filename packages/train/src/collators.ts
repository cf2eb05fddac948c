import type { Tokenizer } from '@peft/core';

/** An example as tokenizers give it, with labels or other fields of any kind. */
export interface Example {
  input_ids: readonly number[];
  attention_mask?: readonly number[];
  token_type_ids?: readonly number[];
  labels?: readonly number[] | number;
  [field: string]: unknown;
}

export interface PaddedBatch {
  input_ids: number[][]; // [B, T]
  attention_mask: number[][]; // [B, T]; 0 = padding
  token_type_ids?: number[][]; // [B, T]
  [field: string]: unknown;
}

/** Labels a token, −100 where none counts. */
export interface LabelledBatch extends PaddedBatch {
  labels: number[][]; // [B, T]
}

export interface PaddingOptions {
  /** Lengths become multiples of it. @default 1 */
  pad_to_multiple_of?: number;
}

type Padding = Pick<Tokenizer, 'pad_token_id' | 'padding_side'>;

/** What does not count in a loss. */
const IGNORED = -100;

/** Pads ids, mask and types to the longest of the batch; `label` becomes `labels`, all other fields become lists. */
export function dataCollatorWithPadding(tokenizer: Padding, options: PaddingOptions = {}): (examples: readonly Example[]) => PaddedBatch {
  return (examples) => {
    const { label, label_ids, ...batch } = padded(examples, tokenizer, options) as PaddedBatch & { label?: unknown; label_ids?: unknown };
    const labels = batch.labels ?? label ?? label_ids;
    return labels === undefined ? batch : { ...batch, labels };
  };
}

/** For causal language models: labels are the ids themselves, unless the examples bring their own; padding has no label. */
export function dataCollatorForLanguageModeling(
  tokenizer: Padding,
  options: PaddingOptions = {},
): (examples: readonly Example[]) => LabelledBatch {
  return (examples) => {
    const batch = padded(examples, tokenizer, options);
    // By place, not by id: where the padding token is also the end of text, the end of each text is still learnt.
    const given = examples.map(({ labels, input_ids }) => (Array.isArray(labels) ? (labels as number[]) : input_ids));
    return { ...batch, labels: padRows(given, widthOf(batch), IGNORED, tokenizer.padding_side) };
  };
}

/** Labels stand one a token and are padded like the ids. */
export function dataCollatorForTokenClassification(
  tokenizer: Padding,
  options: PaddingOptions = {},
): (examples: readonly Example[]) => LabelledBatch {
  return (examples) => {
    const batch = padded(examples, tokenizer, options);
    return { ...batch, labels: padRows(labelsOf(examples), widthOf(batch), IGNORED, tokenizer.padding_side) };
  };
}

/** Labels are a text of their own and are padded to their own longest. */
export function dataCollatorForSeq2Seq(tokenizer: Padding, options: PaddingOptions = {}): (examples: readonly Example[]) => LabelledBatch {
  return (examples) => {
    const labels = labelsOf(examples);
    return { ...padded(examples, tokenizer, options), labels: padRows(labels, longest(labels, options), IGNORED, tokenizer.padding_side) };
  };
}

/** What a model of speech learns from: features, and its text's ids as labels. */
export interface SpeechExample {
  /** Log-mel features [mels][frames]. */
  input_features: readonly ArrayLike<number>[];
  labels: readonly number[];
}

/**
 * For models that write down speech: features as they are, labels padded to their own longest.
 * @param decoder_start_token_id where all labels begin with it, it is cut off, since the decoder puts it before them itself
 */
export function dataCollatorForSpeechSeq2Seq({
  decoder_start_token_id: start,
}: {
  decoder_start_token_id?: number | null;
} = {}): (examples: readonly SpeechExample[]) => { input_features: SpeechExample['input_features'][]; labels: number[][] } {
  return (examples) => {
    const labels = examples.map(({ labels: own }) => own);
    const cut = labels.every(([first]) => first === start) ? labels.map((own) => own.slice(1)) : labels;
    return {
      input_features: examples.map(({ input_features }) => input_features),
      labels: padRows(cut, longest(cut, {}), IGNORED, 'right'),
    };
  };
}

/** A list of records as a record of lists; a list of anything else as it is. */
export function stack(examples: readonly unknown[]): unknown {
  const [first] = examples;
  if (typeof first !== 'object' || first === null || Array.isArray(first) || ArrayBuffer.isView(first)) return examples;
  return Object.fromEntries(
    Object.keys(first).map((field) => [field, examples.map((example) => (example as Record<string, unknown>)[field])]),
  );
}

function padded(examples: readonly Example[], { pad_token_id, padding_side }: Padding, options: PaddingOptions): PaddedBatch {
  const ids = examples.map(({ input_ids }) => input_ids);
  const width = longest(ids, options);
  if (pad_token_id === null && ids.some((row) => row.length < width))
    throw new Error(
      'texts of different lengths need padding and this tokenizer has no padding token: set one, e.g. tokenizer.pad_token = tokenizer.eos_token',
    );
  const batch: PaddedBatch = {
    ...(stack(examples) as Record<string, unknown>),
    input_ids: padRows(ids, width, pad_token_id ?? 0, padding_side),
    attention_mask: padRows(
      examples.map(({ input_ids, attention_mask }) => attention_mask ?? input_ids.map(() => 1)),
      width,
      0,
      padding_side,
    ),
  };
  if (batch.token_type_ids) batch.token_type_ids = padRows(batch.token_type_ids, width, 0, padding_side);
  return batch;
}

function labelsOf(examples: readonly Example[]): (readonly number[])[] {
  return examples.map(({ labels, label }, i) => {
    const own = labels ?? label;
    if (!Array.isArray(own)) throw new Error(`example ${i} of the batch has no list of labels`);
    return own as number[];
  });
}

const widthOf = ({ input_ids }: PaddedBatch): number => input_ids[0]?.length ?? 0;

function longest(rows: readonly (readonly number[])[], { pad_to_multiple_of: multiple = 1 }: PaddingOptions): number {
  return Math.ceil(Math.max(0, ...rows.map((row) => row.length)) / multiple) * multiple;
}

function padRows(rows: readonly (readonly number[])[], width: number, value: number, side: 'left' | 'right'): number[][] {
  return rows.map((row) => {
    const padding = new Array<number>(Math.max(0, width - row.length)).fill(value);
    return side === 'left' ? [...padding, ...row] : [...row, ...padding];
  });
}
