import { statSync } from 'node:fs';
import { type DataRecord, type DatasetOptions, formatOf, loadDataset } from '@peft/train/data';
import { showDownloads } from '../byteProgress';
import type { Output } from '../Output';
import { UsageError } from '../options';

/** The records of a file, a folder or a data set of the hub. */
export interface Data {
  readonly records: DataRecord[];
  /** Whether it is a file of plain text, which goes on from one example to the next. */
  readonly isPlainText: boolean;
}

/** Reads data. Errors: whatever reading says; a field that cannot be made. */
export async function readData(
  where: string,
  { read, fields }: { read: Readonly<Record<string, unknown>>; fields: Readonly<Record<string, unknown>> },
  output: Output,
): Promise<Data> {
  const { format = formatOf(where) ?? 'text' } = read;
  const isPlainText = format === 'text' && read.sample_by === undefined && statSync(where, { throwIfNoEntry: false })?.isFile() === true;
  const options = { onProgress: showDownloads(output), ...(isPlainText && { sample_by: 'document' }), ...read } as DatasetOptions;
  const records = await loadDataset(where, options);
  const makers = Object.entries(fields).map(([field, source]) => [field, maker(field, source)] as const);
  if (makers.length === 0) return { records, isPlainText };
  const whole = records.map((record) => ({ ...record, ...Object.fromEntries(makers.map(([field, make]) => [field, make(record)])) }));
  return { records: whole, isPlainText };
}

/** Makes a field of a record: a column as it is, or a text with columns in it. */
function maker(field: string, source: unknown): (record: DataRecord) => unknown {
  if (typeof source !== 'string')
    throw new UsageError(`--fields ${field} must be a column or a text with {columns}, not ${JSON.stringify(source)}`);
  const get = (record: DataRecord, column: string) => {
    if (Object.hasOwn(record, column)) return record[column];
    throw new UsageError(`--fields ${field} names the column "${column}"; there are: ${Object.keys(record).join(', ')}`);
  };
  if (!source.includes('{')) return (record) => get(record, source);
  return (record) => source.replace(/\{([^{}]+)\}/g, (_, column: string) => String(get(record, column)));
}
