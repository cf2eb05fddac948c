import type { DataFile } from './DataFile';
import type { DataRecord, ReadOptions } from './ReadOptions';

/** Parquet, one group of rows after the other. Whole numbers of 64 bits become numbers where those hold them. Errors: a damaged file */
export async function* parquetRecords(file: DataFile, { columns }: ReadOptions): AsyncGenerator<DataRecord, void, undefined> {
  const [{ parquetMetadataAsync, parquetReadObjects, parquetSchema }, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ]);
  const byteLength = await file.size();
  const buffer = {
    byteLength,
    slice: async (start: number, end = byteLength) => {
      if (start < 0 || end < start || end > byteLength) throw new Error(`there are no bytes ${start} to ${end} of ${byteLength}`);
      return (await file.read(start, end)).slice().buffer;
    },
  };
  const damaged = (error: unknown) => {
    throw new Error(`${file.name} is damaged or no Parquet file: ${error instanceof Error ? error.message : error}`, { cause: error });
  };
  const metadata = await parquetMetadataAsync(buffer).catch(damaged);
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const strange = columns?.filter((name) => !names.includes(name)) ?? [];
  if (strange.length > 0) throw new Error(`${file.name} has no columns ${strange.join(', ')}; there are ${names.join(', ')}`);
  let rowStart = 0;
  for (const { num_rows } of metadata.row_groups) {
    const rowEnd = rowStart + Number(num_rows);
    const rows = await parquetReadObjects({
      file: buffer,
      metadata,
      compressors,
      rowStart,
      rowEnd,
      utf8: false,
      ...(columns && { columns: [...columns] }),
    }).catch(damaged);
    for (const row of rows) yield simplified(row) as DataRecord;
    rowStart = rowEnd;
  }
}

function simplified(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(simplified);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, simplified(entry)]));
}
