import type { DataFile } from './DataFile';
import type { Damage } from './damage';
import type { DataRecord, Encoding } from './ReadOptions';
import { readLines } from './readLines';

/** JSON Lines: an object a line; blank lines are none. */
export async function* jsonLines(file: DataFile, encoding: Encoding, damage: Damage): AsyncGenerator<DataRecord, void, undefined> {
  for await (const lines of readLines(file, encoding, damage))
    for (const { number, text } of lines) {
      if (text.trim() === '') continue;
      const value = parsed(text);
      if (value instanceof Error) damage.at(number, `it is no JSON (${value.message})`);
      else if (!isRecord(value)) damage.at(number, `it is no JSON object, but ${JSON.stringify(value).slice(0, 40)}`);
      else yield value;
    }
}

/** A JSON file that is one list of objects; it is read as a whole. Errors: anything else */
export async function* jsonList(file: DataFile, encoding: Encoding, damage: Damage): AsyncGenerator<DataRecord, void, undefined> {
  const parts: string[] = [];
  for await (const lines of readLines(file, encoding, damage)) for (const { text } of lines) parts.push(text);
  const all = parsed(parts.join('\n'));
  if (all instanceof Error) throw new Error(`${file.name} is no JSON (${all.message}); if it has an object a line, give format: 'jsonl'`);
  if (!Array.isArray(all)) throw new Error(`${file.name} must be a list of objects; it is ${JSON.stringify(all).slice(0, 40)}`);
  for (const [i, value] of all.entries()) {
    if (!isRecord(value)) throw new Error(`${file.name}: entry ${i} is no object, but ${JSON.stringify(value).slice(0, 40)}`);
    yield value;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}

const isRecord = (value: unknown): value is DataRecord => typeof value === 'object' && value !== null && !Array.isArray(value);
