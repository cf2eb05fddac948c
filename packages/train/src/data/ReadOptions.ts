/** One example as it stands in a file, by the names of its fields. */
export type DataRecord = Record<string, unknown>;

export type DataFormat = 'jsonl' | 'json' | 'csv' | 'tsv' | 'parquet' | 'text';

export type Encoding = 'utf-8' | 'latin1' | 'utf-16le' | 'utf-16be';

/** How a file is read. */
export interface ReadOptions {
  /** @default by the file's name: .jsonl .ndjson .json .csv .tsv .parquet, and text for others */
  format?: DataFormat;
  /** Of text; a byte order mark counts more. @default utf-8 */
  encoding?: Encoding;
  /** What becomes of lines that cannot be read: an error that names the first, or a warning that counts them. @default error */
  onDamaged?: 'error' | 'skip';
  /** CSV, TSV: what stands between fields. @default a comma, a tab */
  delimiter?: string;
  /** CSV, TSV: what stands around fields that hold delimiters or line ends; `null`: quotes are text like any other. @default " */
  quotechar?: string | null;
  /** CSV, TSV: the names of the columns; the first line is then data. @default the first line */
  column_names?: readonly string[];
  /** CSV, TSV: columns of numbers; all others are text. @default none */
  number_columns?: readonly string[];
  /** Text: what an example is; blank lines and paragraphs are none. @default line */
  sample_by?: 'line' | 'paragraph' | 'document';
  /** Parquet: the columns to be read. @default all */
  columns?: readonly string[];
}
