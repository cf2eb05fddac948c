import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { memory, setWarningHandler } from '@peft/core';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dataLoader } from '../dataLoader';
import { imageFolder, loadDataset, type ReadOptions, readDataset, trainTestSplit } from './index';

let folder: string;
let warnings: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'data-'));
  warnings = [];
  setWarningHandler((message) => warnings.push(message));
});
afterEach(async () => {
  setWarningHandler(undefined);
  await rm(folder, { recursive: true });
});

/** Reads a file of this name and content. */
const read = async (name: string, content: string | Uint8Array, options: ReadOptions = {}) => {
  await writeFile(join(folder, name), content);
  return loadDataset(join(folder, name), options);
};
const bytes = (...parts: (string | number[])[]) => Buffer.concat(parts.map((part) => Buffer.from(part as string)));

describe('JSON', () => {
  it('reads an object a line, with blank lines, either line end and no last one', async () => {
    expect(await read('a.jsonl', '{"a": 1}\r\n\n{"a": {"b": ["ä"]}}\n{"a": null}')).toEqual([{ a: 1 }, { a: { b: ['ä'] } }, { a: null }]);
    expect(await read('b.ndjson', '')).toEqual([]);
  });

  it('names file and line of what is damaged, or leaves it out and says how much', async () => {
    const text = '{"a": 1}\n{"a": \n[1]\n{"a": 2}\n7\n"x"\nnull\n{"a":3}}\n';
    await expect(read('a.jsonl', text)).rejects.toThrow(/a\.jsonl, line 2: it is no JSON \(.*onDamaged: 'skip'/);
    expect(await read('a.jsonl', text, { onDamaged: 'skip' })).toEqual([{ a: 1 }, { a: 2 }]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /a\.jsonl: 6 damaged lines were left out: line 2: .*; line 3: it is no JSON object, but \[1\]; .*line 7: .*; and 1 more$/,
    );
  });

  it('reads one list of objects', async () => {
    expect(await read('a.json', '[\n {"a": 1},\n {"a": 2}]')).toEqual([{ a: 1 }, { a: 2 }]);
    await expect(read('b.json', '{"a": 1}\n{"a": 2}')).rejects.toThrow(/b\.json is no JSON .*format: 'jsonl'/);
    await expect(read('c.json', '{"a": 1}')).rejects.toThrow('c.json must be a list of objects; it is {"a":1}');
    await expect(read('d.json', '[{}, 3]')).rejects.toThrow('d.json: entry 1 is no object, but 3');
  });

  it('makes fields of names that objects have from birth', async () => {
    const [record] = await read('a.jsonl', '{"__proto__": 1, "constructor": 2}');
    expect(Object.entries(record ?? {})).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
  });
});

describe('encodings', () => {
  it('takes a byte order mark off, and believes it', async () => {
    for (const [mark, encoding] of [
      [[0xef, 0xbb, 0xbf], 'utf8'],
      [[0xff, 0xfe], 'utf16le'],
    ] as const)
      expect(await read('a.csv', bytes([...mark], [...Buffer.from('a,b\r\nÄ,€\r\n', encoding)]))).toEqual([{ a: 'Ä', b: '€' }]);
    const big = Buffer.from('\ufeffÄ\n€Ċ\n', 'utf16le').swap16();
    expect(await read('a.txt', big)).toEqual([{ text: 'Ä' }, { text: '€Ċ' }]); // Ċ is U+010A: a byte of a line's end is none
  });

  it('reads latin-1 as Python does, and says where bytes are no UTF-8', async () => {
    const text = bytes('a\n', [0xe4, 0x80, 0xff], '\nb\n');
    expect(await read('a.txt', text, { encoding: 'latin1' })).toEqual([{ text: 'a' }, { text: 'ä\u0080ÿ' }, { text: 'b' }]);
    await expect(read('a.txt', text)).rejects.toThrow(
      "a.txt, line 2: its bytes are no utf-8; give the file's encoding, e.g. encoding: 'latin1'",
    );
    expect(await read('a.txt', text, { onDamaged: 'skip' })).toEqual([{ text: 'a' }, { text: 'b' }]);
    expect(warnings[0]).toContain('1 damaged line was left out: line 2');
  });

  it('reads characters and lines that lie across the pieces in which a file is read', async () => {
    const line = `${'ä€'.repeat(200_000)}x`; // 1,000,001 bytes
    const rows = Array.from({ length: 4 }, (_, i) => line + i);
    expect((await read('a.txt', rows.join('\r\n'))).map(({ text }) => text)).toEqual(rows);
    const utf16 = Buffer.from(`\ufeff${rows.join('\n')}`, 'utf16le');
    expect((await read('b.txt', utf16)).map(({ text }) => text)).toEqual(rows);
  });
});

describe('CSV and TSV', () => {
  it('reads quotes, line ends and delimiters in fields', async () => {
    const text = 'text,label\r\n"a, ""b""\r\nc",0\r\n\r\nd,1\r\n"",\r\n';
    expect(await read('a.csv', text)).toEqual([
      { text: 'a, "b"\nc', label: '0' },
      { text: 'd', label: '1' },
      { text: '', label: '' },
    ]);
    expect(await read('a.tsv', 'a\tb\n"x\ty"\t1,2\n')).toEqual([{ a: 'x\ty', b: '1,2' }]);
  });

  it('reads numbers, other delimiters, files without a header and without quotes', async () => {
    const options = { delimiter: '@', column_names: ['text', 'label'], number_columns: ['label'], quotechar: null };
    expect(await read('a.txt', '5" and "6@1\n"@ -2.5e1 \n', { format: 'csv', ...options })).toEqual([
      { text: '5" and "6', label: 1 },
      { text: '"', label: -25 },
    ]);
    await expect(read('a.csv', 'a,b\n1,x\n', { number_columns: ['a', 'b'] })).rejects.toThrow('a.csv, line 2: b is "x", no number');
    await expect(read('a.csv', 'a,b\n1,\n', { number_columns: ['b'] })).rejects.toThrow('b is "", no number');
    await expect(read('a.csv', 'a,b\n', { number_columns: ['c'] })).rejects.toThrow(
      'a.csv has no columns c of numbers; its columns are a, b',
    );
    await expect(read('a.csv', 'a,a\n1,2\n')).rejects.toThrow('two columns named "a"');
  });

  it('counts lines, not records, where it says what is damaged', async () => {
    const text = 'a,b\n"x\ny",1\n\n1,2,3\n4,5\n6\n';
    await expect(read('a.csv', text)).rejects.toThrow('a.csv, line 5: it has 3 fields and there are 2 columns');
    expect(await read('a.csv', text, { onDamaged: 'skip' })).toEqual([
      { a: 'x\ny', b: '1' },
      { a: '4', b: '5' },
    ]);
    expect(warnings[0]).toMatch(/2 damaged lines .*line 5: it has 3 fields.*; line 7: it has 1 fields/);
  });

  it('loses only the line of a stray quote', async () => {
    for (const [bad, reason] of [
      ['"x" y,2', 'text stands behind a closing quote'],
      ['"x,2', 'a quote is opened and never closed'],
    ] as const) {
      const text = `a,b\n1,2\n${bad}\n3,4\n"5",6\n`;
      await expect(read('a.csv', text)).rejects.toThrow('a.csv, line 3: ');
      expect(await read('a.csv', text, { onDamaged: 'skip' })).toEqual([
        { a: '1', b: '2' },
        { a: '3', b: '4' },
        { a: '5', b: '6' },
      ]);
      // What a stray quote swallows may close it, and be read as text behind a quote.
      expect(warnings.at(-1)).toMatch(bad.includes(' ') ? reason : /line 3: /);
    }
    await expect(read('a.csv', 'a,b\n"x,2\n3,4\n')).rejects.toThrow('a.csv, line 2: a quote is opened and never closed');
  });

  it('reads records that lie across the pieces in which a file is read', async () => {
    const rows = Array.from({ length: 12_000 }, (_, i) => ({
      text: `${'line\n'.repeat(i % 20)}"${i}", ${'x'.repeat(i % 50)}`,
      n: String(i),
    }));
    const csv = `text,n\n${rows.map(({ text, n }) => `"${text.replaceAll('"', '""')}",${n}`).join('\n')}`;
    expect(csv.length).toBeGreaterThan(1 << 20);
    expect(await read('a.csv', csv)).toEqual(rows);
  });
});

describe('text', () => {
  const text = 'a\nb\n\n \nc\n';
  it.each([
    ['line', ['a', 'b', 'c']],
    ['paragraph', ['a\nb', 'c']],
    ['document', ['a\nb\n\n \nc']],
  ] as const)('by %s', async (sample_by, wanted) => {
    expect((await read('a.txt', text, { sample_by })).map((record) => record.text)).toEqual(wanted);
  });
});

describe('Parquet', () => {
  const columnData = [
    { name: 'text', data: ['a', 'ä€', null], type: 'STRING' as const },
    { name: 'label', data: [1n, -2n, 9007199254740993n], type: 'INT64' as const },
    { name: 'score', data: [0.5, 1e300, Number.NaN], type: 'DOUBLE' as const },
    { name: 'bytes', data: [new Uint8Array([255, 0]), new Uint8Array([128]), new Uint8Array()], type: 'BYTE_ARRAY' as const },
    { name: 'tags', data: [{ a: [1, 2] }, {}, { a: 'x' }], type: 'JSON' as const },
  ];
  const records = [
    { text: 'a', label: 1, score: 0.5, bytes: new Uint8Array([255, 0]), tags: { a: [1, 2] } },
    { text: 'ä€', label: -2, score: 1e300, bytes: new Uint8Array([128]), tags: {} },
    { text: null, label: 9007199254740993n, score: Number.NaN, bytes: new Uint8Array(), tags: { a: 'x' } },
  ];
  const file = (options = {}) => new Uint8Array(parquetWriteBuffer({ columnData, ...options }));

  it.each([1, 2, 3])('reads groups of %i rows', async (rowGroupSize) => {
    expect(await read('a.parquet', file({ rowGroupSize }))).toEqual(records);
  });

  it('reads other compressions', async () => {
    expect(await read('a.parquet', file({ codec: 'UNCOMPRESSED' }))).toEqual(records);
    const compressors = { GZIP: (input: Uint8Array) => new Uint8Array(gzipSync(input)) };
    expect(await read('a.parquet', file({ codec: 'GZIP', compressors }))).toEqual(records);
  });

  // Written by another hand: Rust's `parquet` (npm parquet-wasm 0.8.0), groups of 25 rows, text in dictionaries.
  it.each(['snappy', 'zstd'])('reads what arrow-rs wrote, %s', async (codec) => {
    const rows = await loadDataset(fileURLToPath(new URL(`fixtures/${codec}.parquet`, import.meta.url)));
    expect(rows).toHaveLength(60);
    for (const [i, row] of rows.entries())
      expect(row).toEqual({
        text: `text ${i} ä€`,
        label: (i % 7) - 3,
        name: ['no complaint', 'complaint', null][i % 3],
        flag: i % 2 === 0,
        scores: Array.from({ length: i % 4 }, (_, j) => i + j / 2),
        image: { bytes: new Uint8Array([i, 0, 255]), path: `${i}.png` },
      });
  });

  it('reads some columns, and says which there are', async () => {
    expect(await read('a.parquet', file(), { columns: ['label', 'text'] })).toEqual(records.map(({ text, label }) => ({ text, label })));
    await expect(read('a.parquet', file(), { columns: ['x'] })).rejects.toThrow('a.parquet has no columns x; there are text, label, score');
  });

  it('refuses damaged files without reading past their ends', async () => {
    const whole = file({ codec: 'UNCOMPRESSED' });
    for (const damaged of [new Uint8Array(), whole.slice(0, 20), whole.slice(0, -8), whole.slice(100), Buffer.from('PAR1'.repeat(9))])
      await expect(read('a.parquet', damaged)).rejects.toThrow(/a\.parquet is damaged or no Parquet file: /);
  });
});

describe('data sets of many files', () => {
  const files = {
    'README.md': 'about',
    'LICENSE.txt': 'text',
    '.hidden/train.csv': 'x\n0\n',
    'dataset_infos.json': '{}',
    'data/train-2.csv': 'x\n3\n',
    'data/train-10.csv': 'x\n4\n',
    'data/train-1.csv': 'x\n1\n2\n',
    'data/test-1.csv': 'x\n5\n',
    'extra/other.jsonl': '{"x": 6}',
  };
  const xs = async (options = {}) => (await loadDataset(files, options)).map(({ x }) => x);

  it('finds the files of a split, in order of their numbers', async () => {
    expect(await xs()).toEqual(['1', '2', '3', '4']);
    expect(await xs({ split: 'test' })).toEqual(['5']);
    await expect(xs({ split: 'validation' })).rejects.toThrow('files in memory has no split "validation"; there are: train, test');
    expect(await xs({ files: ['extra/*', 'data/t*-1.csv', '**/test-1.csv'] })).toEqual([6, '5', '1', '2']);
    await expect(xs({ files: 'data' })).rejects.toThrow('has no file data; there are: README.md, ');
    expect(await xs({ subfolder: 'extra' })).toEqual([6]);
  });

  it('takes all where names tell no split, and wants to know which where formats differ', async () => {
    expect(await loadDataset({ 'b.txt': 'b', 'a.txt': 'a', 'retrain.md': '' })).toEqual([{ text: 'a' }, { text: 'b' }]);
    await expect(loadDataset({ 'a.txt': 'a', 'b.csv': 'x' })).rejects.toThrow('several formats: name the files with `files`: a.txt, b.csv');
    await expect(loadDataset({ 'a.md': 'a' })).rejects.toThrow('has no files of data (jsonl,');
    await expect(loadDataset({ ...memory({}), list: undefined } as never)).rejects.toThrow('does not tell which files it has');
    await expect(loadDataset(join(folder, 'none.csv'))).rejects.toThrow('none.csv" is no folder here');
  });

  it('reads folders, and files that a page was given', async () => {
    await mkdir(join(folder, 'train'));
    await writeFile(join(folder, 'train/a.jsonl'), '{"a": 1}\n{');
    await expect(loadDataset(folder)).rejects.toThrow(`${folder}/train/a.jsonl, line 2`);
    expect(await loadDataset(new File(['a\n1\n'], 'some.csv'))).toEqual([{ a: '1' }]);
    expect(await loadDataset(new Blob(['a']))).toEqual([{ text: 'a' }]);
    const given = [new File(['a\n1\n'], 'a.csv'), new File(['a\n2\n'], 'b.csv')];
    Object.defineProperty(given[0], 'webkitRelativePath', { value: 'mine/train/a.csv' });
    Object.defineProperty(given[1], 'webkitRelativePath', { value: 'mine/test/a.csv' });
    expect(await loadDataset(given, { split: 'test' })).toEqual([{ a: '2' }]);
  });

  it('reads data sets of the hub', async () => {
    const bytes = new TextEncoder().encode('{"a": 1}\n{"a": 2}\n');
    const asked: string[] = [];
    const fakeHub = async (url: unknown) => {
      asked.push(new URL(String(url)).pathname);
      if (asked.length > 1) return new Response(bytes);
      const blobId = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
      const siblings = ['README.md', 'train.jsonl'].map((rfilename) => ({ rfilename, size: bytes.length, blobId }));
      return Response.json({ sha: '0'.repeat(40), siblings });
    };
    const options = { fetch: fakeHub as typeof fetch, cacheDir: folder, endpoint: 'https://hub.test' };
    expect(await loadDataset('owner/name', options)).toEqual([{ a: 1 }, { a: 2 }]);
    expect(asked).toEqual(['/api/datasets/owner/name/revision/main', `/datasets/owner/name/resolve/${'0'.repeat(40)}/train.jsonl`]);
    await expect(loadDataset('owner/name', { ...options, localFilesOnly: true, split: 'test' })).rejects.toThrow(
      'https://hub.test/datasets/owner/name/tree/main has no split "test"; there are: train',
    );
  });

  it('reads no more than is asked for', async () => {
    let asked = 0;
    const source = {
      ...memory({ 'a.txt': 'x'.repeat(99).concat('\n').repeat(50_000) }),
      describe: 'here',
    };
    const counting = {
      ...source,
      read: (path: string, start = 0, end = 0) => {
        asked = Math.max(asked, end);
        return source.read(path, start, end);
      },
    };
    for await (const record of readDataset(counting)) {
      expect(record.text).toHaveLength(99);
      break;
    }
    expect(asked).toBeLessThan(2 << 20); // of 5 MB
  });
});

describe('folders of pictures', () => {
  const files = {
    'train/dog/2.png': 'd2',
    'train/dog/10.JPG': 'd10',
    'train/cat/1.webp': 'c1',
    'train/cat/notes.txt': '',
    'valid/cat/1.png': 'v',
  };

  it('tells the class by the folder, and reads a picture when it is asked for', async () => {
    const pictures = await imageFolder(files);
    expect(pictures.labels).toEqual(['cat', 'dog']);
    expect(pictures.label_ids).toEqual([0, 1, 1]);
    const batches = [];
    for await (const batch of dataLoader(pictures, { batch_size: 2 })) batches.push(batch);
    expect(batches.map(({ path, label }) => [path, label])).toEqual([
      [
        ['train/cat/1.webp', 'train/dog/2.png'],
        [0, 1],
      ],
      [['train/dog/10.JPG'], [1]],
    ]);
    expect(new TextDecoder().decode(batches[1]?.image[0])).toBe('d10');
    expect(await imageFolder(files, { split: 'validation' })).toMatchObject({ labels: ['cat'], length: 1 });
  });

  it('knows folders without splits and pictures without classes, and says that there are none', async () => {
    expect(await imageFolder({ 'training-wheels/a.png': '', 'dev board/b.png': '' })).toMatchObject({
      labels: ['dev board', 'training-wheels'],
      label_ids: [0, 1],
    });
    expect(await imageFolder({ 'a.png': '', 'train/b.png': '' })).toMatchObject({ labels: [], label_ids: [-1] });
    await expect(imageFolder({ 'a.txt': '' })).rejects.toThrow('has no pictures');
  });
});

describe('trainTestSplit', () => {
  const all = Array.from({ length: 25 }, (_, i) => i);

  it('gives every example to one part, the same for the same seed', () => {
    const { train, test } = trainTestSplit(all, { seed: 7 });
    expect([train.length, test.length]).toEqual([22, 3]);
    expect([...train, ...test].sort((a, b) => a - b)).toEqual(all);
    expect(trainTestSplit(all, { seed: 7 })).toEqual({ train, test });
    expect(trainTestSplit(all, { seed: 8 })).not.toEqual({ train, test });
    expect(trainTestSplit(all, { test_size: 4, shuffle: false }).test).toEqual([21, 22, 23, 24]);
  });

  it('leaves no part empty', () => {
    for (const test_size of [0, -1, 25, 1.5, Number.NaN]) expect(() => trainTestSplit(all, { test_size })).toThrow('leaves a part empty');
    expect(() => trainTestSplit([1])).toThrow('test_size 0.1 of 1 examples');
  });
});
