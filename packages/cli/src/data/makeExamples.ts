import { type Example, textBlocks } from '@peft/train';
import type { DataRecord } from '@peft/train/data';
import type { Output } from '../Output';
import { UsageError } from '../options';
import { type ExampleOptions, makeExample } from './makeExample';
import type { Data } from './readData';

/** Records that are tokenized while nobody waits long. */
const FEW = 1000;

/** Examples of data. @param pack whether texts are joined. Errors: a record that cannot be used, with its place; no example at all */
export function makeExamples({ records, isPlainText }: Data, pack: boolean, options: ExampleOptions, output: Output): Example[] {
  const bar = records.length > FEW ? output.progress({ label: 'tokenize', total: records.length }) : undefined;
  const each = <T>(make: (record: DataRecord) => T): T[] =>
    records.map((record, i) => {
      try {
        return make(record);
      } catch (error) {
        throw new Error(`record ${i + 1}: ${(error as Error).message}`);
      } finally {
        bar?.advance();
      }
    });
  try {
    return pack || isPlainText ? blocksOf(each, isPlainText, options) : examplesOf(each, options, output);
  } finally {
    bar?.end();
  }
}

type Each = <T>(make: (record: DataRecord) => T) => T[];

function blocksOf(each: Each, isPlainText: boolean, { task, tokenizer, maxLength }: ExampleOptions): Example[] {
  if (task !== 'CAUSAL_LM') throw new UsageError(`running text is for CAUSAL_LM; ${task} needs records, such as lines of JSON`);
  const ids = each(({ text }) => {
    if (typeof text !== 'string') throw new Error('what is joined needs a text');
    const encoded = tokenizer.encode(text, { add_special_tokens: false });
    return isPlainText || tokenizer.eos_token_id === null ? encoded : [...encoded, tokenizer.eos_token_id];
  });
  const blocks = textBlocks(ids.flat(), maxLength);
  if (blocks.length === 0)
    throw new Error(`the text has less than the ${maxLength} tokens of one example: give more text, or a smaller --max_length`);
  return blocks;
}

function examplesOf(each: Each, options: ExampleOptions, output: Output): Example[] {
  const made = each((record) => makeExample(record, options));
  const examples = made.flat();
  const lost = made.length - examples.length;
  if (lost > 0)
    output.note(
      `${lost} of ${made.length} records are left out: what is to be learnt lies behind the ${options.maxLength} tokens of an example`,
    );
  if (examples.length === 0) throw new Error('the data gives no example');
  return examples;
}
