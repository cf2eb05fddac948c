import type { ChatMessage, TextTokenizer } from '@peft/models';
import type { Example } from '@peft/train';
import type { DataRecord } from '@peft/train/data';
import type { TextTask } from '../tasks';
import { chatExample, completionExample, textExample } from './completion';
import { labelId } from './labels';

export interface ExampleOptions {
  readonly task: TextTask;
  readonly tokenizer: TextTokenizer;
  /** Tokens of an example at most; what is longer is cut. */
  readonly maxLength: number;
  /** The names of the classes; for SEQ_CLS, none where labels are numbers. */
  readonly labels?: readonly string[] | undefined;
}

/** An example of a record; none where what is to be learnt was cut off. Errors: fields that are missing, and those that would do. */
export function makeExample(record: DataRecord, options: ExampleOptions): [] | [Example] {
  const { task, tokenizer, maxLength: max_length } = options;
  if (task === 'SEQ_CLS') {
    const { text, text_pair, label } = record;
    if (typeof text !== 'string' || label === undefined)
      throw new Error(wanted(record, 'text and label (text_pair beside them where there are two)'));
    const pair = typeof text_pair === 'string' ? { text_pair } : {};
    return [{ ...tokenizer(text, { ...pair, truncation: true, max_length }), label: labelId(label, options.labels) }];
  }
  if (task === 'SEQ_2_SEQ_LM') {
    const { prompt, completion } = record;
    if (typeof prompt !== 'string' || typeof completion !== 'string') throw new Error(wanted(record, 'prompt and completion'));
    const cut = { truncation: true, max_length };
    return [{ ...tokenizer(prompt, cut), labels: tokenizer(completion, cut).input_ids }];
  }
  const { input_ids, labels } = causalExample(record, tokenizer);
  const example = { input_ids: input_ids.slice(0, max_length), labels: labels.slice(0, max_length) };
  return example.labels.some((label) => label !== -100) ? [example] : [];
}

function causalExample({ text, prompt, completion, messages, ...rest }: DataRecord, tokenizer: TextTokenizer) {
  if (isConversation(messages)) return chatExample(messages, tokenizer);
  if (isConversation(prompt) && isConversation(completion)) return chatExample([...prompt, ...completion], tokenizer);
  if (typeof prompt === 'string' && typeof completion === 'string') return completionExample(prompt, completion, tokenizer);
  if (typeof text === 'string') return textExample(text, tokenizer);
  throw new Error(wanted({ text, prompt, completion, messages, ...rest }, 'text, or prompt and completion, or messages'));
}

const isConversation = (value: unknown): value is ChatMessage[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((message) => typeof message === 'object' && message !== null && 'role' in message);

function wanted(record: DataRecord, fields: string): string {
  const there = Object.entries(record).filter(([, value]) => value !== undefined);
  return `a record needs ${fields}; this one has ${there.map(([name, value]) => `${name} (${typeof value})`).join(', ') || 'nothing'}: --fields makes them of others, as in --fields text=sentence`;
}
