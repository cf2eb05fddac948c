import type { DataFile } from './DataFile';
import type { Damage } from './damage';
import type { DataRecord, Encoding, ReadOptions } from './ReadOptions';
import { readLines } from './readLines';

/** Text as `{ text }`: a line, a paragraph between blank lines, or the whole document. */
export async function* textRecords(
  file: DataFile,
  encoding: Encoding,
  damage: Damage,
  { sample_by = 'line' }: ReadOptions,
): AsyncGenerator<DataRecord, void, undefined> {
  let held: string[] = [];
  for await (const lines of readLines(file, encoding, damage))
    for (const { text } of lines) {
      const isBlank = text.trim() === '';
      if (sample_by === 'line') {
        if (!isBlank) yield { text };
      } else if (sample_by === 'document' || !isBlank) held.push(text);
      else if (held.length > 0) {
        yield { text: held.join('\n') };
        held = [];
      }
    }
  if (held.length > 0) yield { text: held.join('\n') };
}
