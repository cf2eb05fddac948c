import { csvRecords } from './csvRecords';
import type { DataFile } from './DataFile';
import { damageOf } from './damage';
import { jsonLines, jsonList } from './jsonRecords';
import { parquetRecords } from './parquetRecords';
import type { DataFormat, DataRecord, ReadOptions } from './ReadOptions';
import { textRecords } from './textRecords';

/** Formats by the ends of names. */
const formats: Readonly<Record<string, DataFormat>> = {
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  json: 'json',
  csv: 'csv',
  tsv: 'tsv',
  parquet: 'parquet',
  txt: 'text',
};

/** The format that a file's name tells. */
export const formatOf = (name: string): DataFormat | undefined => formats[/\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase() ?? ''];

/** The records of a file, one by one. */
export async function* readFile(file: DataFile, options: ReadOptions): AsyncGenerator<DataRecord, void, undefined> {
  const { format = formatOf(file.name) ?? 'text', encoding = 'utf-8' } = options;
  const damage = damageOf(file.name, options);
  switch (format) {
    case 'jsonl':
      yield* jsonLines(file, encoding, damage);
      break;
    case 'json':
      yield* jsonList(file, encoding, damage);
      break;
    case 'csv':
    case 'tsv':
      yield* csvRecords(file, encoding, damage, { ...options, delimiter: options.delimiter ?? (format === 'csv' ? ',' : '\t') });
      break;
    case 'parquet':
      yield* parquetRecords(file, options);
      break;
    case 'text':
      yield* textRecords(file, encoding, damage, options);
      break;
    default:
      throw new Error(`the format ${JSON.stringify(format)} is not known; there are ${Object.values(formats).join(', ')}`);
  }
  damage.end();
}
