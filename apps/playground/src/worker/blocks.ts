import type { TextTokenizer } from '@peft/models';
import { textBlocks } from '@peft/train';
import type { TextChoice } from '../api';
import { builtInText } from './builtIn';

export type Block = { input_ids: number[] };

/** A text as blocks of tokens: those to train on, and a few that are held out. */
export interface Blocks {
  train: Block[];
  heldOut: Block[];
}

/** Blocks that are measured on: enough for a number that means something, few enough to be quick. */
const MEASURED = 24;

/**
 * Cuts a text into blocks; of a text of one's own the last tenth is held out.
 * Errors: a file that is no text, a text too short for one block of each kind.
 */
export async function readBlocks(choice: TextChoice, tokenizer: TextTokenizer, length: number): Promise<Blocks> {
  const { train, heldOut } = await readText(choice);
  const ids = tokenizer.encode(train, { add_special_tokens: false });
  const blocks = textBlocks(ids, length);
  const own = heldOut === undefined ? blocks.splice(-Math.max(1, Math.floor(blocks.length / 10))) : [];
  if (blocks.length === 0)
    throw new Error(
      `the text is too short: it has ${ids.length} tokens, and blocks of ${length} tokens need at least ${2 * length}. Give a longer text, or make the blocks shorter`,
    );
  const measured = heldOut === undefined ? own : textBlocks(tokenizer.encode(heldOut, { add_special_tokens: false }), length);
  return { train: blocks, heldOut: measured.slice(0, MEASURED) };
}

async function readText(choice: TextChoice): Promise<{ train: string; heldOut?: string }> {
  if (choice.kind === 'built-in') return builtInText();
  if (choice.kind === 'text') return { train: choice.text };
  const { file } = choice;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
    if (text.includes('\0')) throw new Error('it holds zeros');
    return { train: text };
  } catch (error) {
    throw new Error(`${file.name} cannot be read as text in UTF-8 (${(error as Error).message}): give a plain text file`);
  }
}
