import { type GenerateOptions, type TextModel, textStreamer } from '@peft/models';
import type { OpenTextModel } from './openModel';

/**
 * Continues a text, or answers it where the model reads one text and writes another.
 * @param write gets the continuation as it comes, where there is one at a time
 * @returns the continuations alone
 */
export async function continueText(
  { model, tokenizer, task }: OpenTextModel,
  ids: readonly number[],
  options: Partial<GenerateOptions>,
  write: (text: string) => void,
): Promise<string[]> {
  const shown = { skip_special_tokens: true };
  const isAnswer = task === 'SEQ_2_SEQ_LM';
  let writing = isAnswer;
  const stream = textStreamer(tokenizer, (text) => void (writing && write(text)));
  // How a continuation is joined to the text depends on what stands before it.
  if (!isAnswer) for (const id of ids) stream([id]);
  writing = true;
  const isOne = (options.num_beams ?? 1) === 1 && (options.num_return_sequences ?? 1) === 1;
  // A PeftModel generates as its base does.
  const rows = await (model as TextModel).generate({ input_ids: [ids], tokenizer, ...options, ...(isOne && { onToken: stream }) });
  const before = isAnswer ? '' : tokenizer.decode(ids, shown);
  const texts = rows.map((row) => tokenizer.decode(row, shown).slice(before.length));
  if (!isOne) for (const text of texts) write(`${text}\n`);
  return texts;
}
