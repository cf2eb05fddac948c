import type Papa from 'papaparse';
import type { DataFile } from './DataFile';
import type { Damage } from './damage';
import type { DataRecord, Encoding, ReadOptions } from './ReadOptions';
import { type Line, readLines } from './readLines';

type CsvOptions = Pick<ReadOptions, 'quotechar' | 'column_names' | 'number_columns'> & { delimiter: string };

/** The fields of a record, with the number of the line on which it begins. */
interface Row {
  readonly line: number;
  readonly fields: readonly string[];
}

const LONGEST = 1 << 24; // characters of a record

/** CSV or TSV: fields by the names of their columns. Rows of more or fewer fields than columns are damage. */
export async function* csvRecords(
  file: DataFile,
  encoding: Encoding,
  damage: Damage,
  options: CsvOptions,
): AsyncGenerator<DataRecord, void, undefined> {
  let toRecord = options.column_names && recordMaker(file, options.column_names, options.number_columns ?? []);
  for await (const row of rowsOf(readLines(file, encoding, damage), damage, options)) {
    if (!toRecord) {
      toRecord = recordMaker(file, row.fields, options.number_columns ?? []);
      continue;
    }
    const record = toRecord(row.fields);
    if (typeof record === 'string') damage.at(row.line, record);
    else yield record;
  }
}

async function* rowsOf(
  bunches: AsyncIterable<Line[]>,
  damage: Damage,
  { delimiter, quotechar = '"' }: CsvOptions,
): AsyncGenerator<Row, void, undefined> {
  if (quotechar === null) {
    for await (const lines of bunches)
      for (const { number, text } of lines) if (text !== '') yield { line: number, fields: text.split(delimiter) };
    return;
  }
  const { default: papa } = await import('papaparse');
  let waiting: Line[] = [];
  for await (const lines of bunches) {
    waiting.push(...lines);
    const rows = take(papa, waiting, { delimiter, quotechar }, damage, false);
    yield* rows.done;
    waiting = rows.left;
  }
  yield* take(papa, waiting, { delimiter, quotechar }, damage, true).done;
}

/** The whole records at the start of some lines, and the lines of a record whose end is still to come. */
function take(
  papa: typeof Papa,
  lines: readonly Line[],
  { delimiter, quotechar }: { delimiter: string; quotechar: string },
  damage: Damage,
  isEnd: boolean,
): { done: Row[]; left: Line[] } {
  const done: Row[] = [];
  let first = 0;
  while (first < lines.length) {
    const text = `${lines
      .slice(first)
      .map((line) => line.text)
      .join('\n')}\n`;
    let [consumed, problem] = [0, ''];
    papa.parse<string[]>(text, {
      delimiter,
      quoteChar: quotechar,
      newline: '\n',
      step: ({ data, errors, meta }, parser) => {
        const isOpen = errors.some(({ code }) => code === 'MissingQuotes');
        problem = isOpen ? 'a quote is opened and never closed' : errors.length > 0 ? 'text stands behind a closing quote' : '';
        if (isOpen && !isEnd && text.length - consumed < LONGEST) problem = 'wait';
        if (problem !== '') return parser.abort();
        if (data.length > 1 || data[0] !== '') done.push({ line: (lines[first] as Line).number, fields: data });
        for (; consumed < meta.cursor; consumed++) if (text[consumed] === '\n') first++;
      },
    });
    if (problem === 'wait' || problem === '') break;
    // What follows a stray quote is read on from the next line.
    damage.at((lines[first++] as Line).number, problem);
  }
  return { done, left: lines.slice(first) };
}

/** Makes a record of fields, or says why there is none. */
function recordMaker(file: DataFile, names: readonly string[], numbers: readonly string[]) {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new Error(`${file.name} has two columns named ${JSON.stringify(twice)}: give column_names`);
  const strange = numbers.filter((name) => !names.includes(name));
  if (strange.length > 0)
    throw new Error(`${file.name} has no columns ${strange.join(', ')} of numbers; its columns are ${names.join(', ')}`);
  const isNumber = names.map((name) => numbers.includes(name));
  return (fields: readonly string[]): DataRecord | string => {
    if (fields.length !== names.length) return `it has ${fields.length} fields and there are ${names.length} columns`;
    const values = fields.map((field, i) => (isNumber[i] ? toNumber(field) : field));
    const wrong = values.findIndex((value) => Number.isNaN(value));
    if (wrong >= 0) return `${names[wrong]} is ${JSON.stringify(fields[wrong])}, no number`;
    return Object.fromEntries(names.map((name, i) => [name, values[i]]));
  };
}

const toNumber = (field: string): number => (field.trim() === '' ? Number.NaN : Number(field));
