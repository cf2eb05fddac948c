import { expect, it } from 'vitest';
import { openCheckpoint } from './checkpoint';
import { decode } from './dtypes';
import expected from './fixtures/expected.json';
import { fixture, NAMES } from './fixtures/fixtures';
import { parseSafetensors, readSafetensors, type TensorToWrite, writeSafetensors } from './safetensors';
import { memory } from './source';

/** A file with a header as text. */
const file = (header: string, data = 4, claimed?: number | bigint): Uint8Array => {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(claimed ?? text.length), true);
  bytes.set(text, 8);
  return bytes;
};
const entry = (name: string, from: number, to: number, dtype = 'F32', shape: unknown = [(to - from) / 4]) =>
  `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [from, to] })}`;
const read = (header: string, data?: number, claimed?: number | bigint) => parseSafetensors(file(header, data, claimed));

it('reads every type as Python wrote it', async () => {
  const checkpoint = await parseSafetensors(await fixture('types.safetensors'));
  for (const [name, { dtype, shape, values }] of Object.entries(expected.types)) {
    const tensor = checkpoint.get(name);
    expect([name, tensor?.dtype, tensor?.shape]).toEqual([name, NAMES[dtype], shape]);
    expect([...((await tensor?.data()) ?? [])]).toEqual(values);
  }
  const special = expected.special.map((text) => Number(text.replace('inf', 'Infinity')));
  expect([...((await checkpoint.get('special')?.data()) ?? [])]).toEqual(special);
});

it('writes the bytes that Python writes', async () => {
  for (const [name, metadata] of [
    ['types.safetensors', { format: 'pt' }],
    ['bare.safetensors', null],
  ] as const) {
    const bytes = await fixture(name);
    const raw: Record<string, TensorToWrite> = {};
    const values: Record<string, TensorToWrite> = {};
    for (const [key, tensor] of [...(await parseSafetensors(bytes))].reverse()) {
      raw[key] = { ...tensor, data: await tensor.bytes() };
      values[key] = { ...tensor, data: await tensor.data() };
    }
    expect(writeSafetensors(raw, metadata)).toEqual(bytes);
    if (name === 'bare.safetensors') expect(writeSafetensors(values, metadata)).toEqual(bytes);
  }
});

it('lets the values begin at a multiple of any number of bytes', async () => {
  const tensors = { a: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } };
  const bytes = writeSafetensors(tensors, undefined, 64);
  expect(new DataView(bytes.buffer).getBigUint64(0, true)).toBe(128n - 8n);
  expect(bytes.length).toBe(128 + 8);
  expect(await (await parseSafetensors(bytes)).get('a')?.data()).toEqual(tensors.a.data);
});

it('orders types and names as Python does', () => {
  // The order in which safetensors 0.8 wrote two tensors of each type.
  const types = ['U64', 'I64', 'F64', 'F32', 'U32', 'I32', 'BF16', 'F16', 'U16', 'I16', 'F8_E4M3', 'F8_E5M2', 'I8', 'U8', 'BOOL'];
  const names = types.flatMap((dtype) =>
    (dtype === 'F32' ? ['', '10', '2', 'Z', 'a_F32', '\uffff', '😀'] : [`a_${dtype}`, `b_${dtype}`]).map((name) => ({ name, dtype })),
  );
  const tensors = Object.fromEntries([...names].reverse().map(({ name, dtype }) => [name, { dtype, shape: [0], data: new Uint8Array(0) }]));
  const text = new TextDecoder().decode(writeSafetensors(tensors).subarray(8));
  const order = [...text.matchAll(/"([^"]*)":\{"dtype"/g)].map(([, name]) => name);
  expect(order).toEqual(names.map(({ name }) => name));
  expect(text.startsWith('{"__metadata__":{"format":"pt"},')).toBe(true);
});

it('reads back what it wrote', async () => {
  const floats = Float32Array.of(0, -1.5, 65504, 2 ** -24, Number.POSITIVE_INFINITY, -0);
  const whole = Int32Array.of(0, 1, -128, 127);
  const tensors: Record<string, TensorToWrite> = {
    __proto__: undefined as never,
    'ends"\\\n': { dtype: 'F32', shape: [], data: Float32Array.of(7) },
  };
  for (const dtype of ['F64', 'F32', 'F16']) tensors[dtype] = { dtype, shape: [2, 3], data: floats };
  for (const dtype of ['I64', 'I32', 'I8']) tensors[dtype] = { dtype, shape: [4], data: whole };
  tensors.BF16 = { dtype: 'BF16', shape: [2], data: Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8) };
  tensors.BOOL = { dtype: 'BOOL', shape: [2], data: Int32Array.of(1, 0) };
  const checkpoint = await parseSafetensors(writeSafetensors(tensors));
  expect(new Set(checkpoint.keys())).toEqual(new Set(Object.keys(tensors)));
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    const tensor = checkpoint.get(name);
    expect([tensor?.dtype, tensor?.shape]).toEqual([dtype, shape]);
    // Halves go to even.
    expect(await tensor?.data()).toEqual(name === 'BF16' ? Float32Array.of(1, 1 + 2 ** -6) : data);
  }
  expect(() => writeSafetensors({ x: { dtype: 'F32', shape: [3], data: Float32Array.of(1) } })).toThrow(
    'tensor x of shape [3] and type F32 cannot have 4 bytes',
  );
  expect(() => writeSafetensors({ x: { dtype: 'F31', shape: [1], data: Float32Array.of(1) } })).toThrow(/tensor x|F31/);
});

it('rounds to half floats and brain floats as Python does', async () => {
  const values = Float32Array.of(65519, 65520, 2 ** -25, 1.5 * 2 ** -24, 2049, 2051, Number.NaN, 1e-8, 0.1, -3.3);
  const halves = Float32Array.of(65504, Number.POSITIVE_INFINITY, 0, 2 ** -23, 2048, 2052, Number.NaN, 0, 0.0999755859375, -3.30078125);
  const brains = Float32Array.of(
    65536,
    65536,
    2 ** -25,
    1.5 * 2 ** -24,
    2048,
    2048,
    Number.NaN,
    1.0011717677116394e-8,
    0.10009765625,
    -3.296875,
  );
  const checkpoint = await parseSafetensors(
    writeSafetensors({ h: { dtype: 'F16', shape: [10], data: values }, b: { dtype: 'BF16', shape: [10], data: values } }),
  );
  expect(await checkpoint.get('h')?.data()).toEqual(halves);
  expect(await checkpoint.get('b')?.data()).toEqual(brains);
});

it('reads whole numbers of 64 bits only where they fit in 32', () => {
  const bytes = new Uint8Array(BigInt64Array.of(2n ** 31n).buffer);
  expect(() => decode(bytes, 'I64')).toThrow('the whole number 2147483648 does not fit in 32 bits');
  expect(() => decode(bytes, 'F8_E4M3')).toThrow('values of type F8_E4M3 cannot be read');
});

it('refuses files that are cut off or lie about their header', async () => {
  const good = `{${entry('a', 0, 4)}}`;
  expect((await read(good)).size).toBe(1);
  await expect(parseSafetensors(new Uint8Array(7))).rejects.toThrow('it has 7 bytes');
  await expect(read(good, 3)).rejects.toThrow('its tensors take 4 bytes, the file has 3: it is cut off or damaged');
  await expect(read(good, 5)).rejects.toThrow('its tensors take 4 bytes, the file has 5');
  await expect(read(good, 4, 1000)).rejects.toThrow('its header claims 1000 bytes');
  await expect(read(good, 4, 2n ** 63n)).rejects.toThrow('more than the 100000000 allowed');
  await expect(read(good, 4, good.length - 1)).rejects.toThrow('its header is no JSON');
  await expect(read('[]', 0)).rejects.toThrow('its header is no object');
  await expect(parseSafetensors(file('{"\xff', 0).fill(0xff, 10))).rejects.toThrow('its header is no JSON');
});

it('refuses tensors that contradict themselves or each other', async () => {
  await expect(read(`{${entry('a', 0, 8)},${entry('b', 4, 12)}}`, 12)).rejects.toThrow(
    'tensor b begins at byte 4 of the data, not at 8: there is a gap or an overlap',
  );
  await expect(read(`{${entry('a', 0, 4)},${entry('b', 8, 12)}}`, 12)).rejects.toThrow('tensor b begins at byte 8 of the data, not at 4');
  await expect(read(`{${entry('a', 0, 4, 'F32', [2])}}`)).rejects.toThrow(
    'tensor a of shape [2] and type F32 needs 8 bytes, its offsets give it 4',
  );
  await expect(read(`{${entry('a', 4, 0, 'F32', [1])}}`)).rejects.toThrow('its offsets give it -4');
  await expect(read(`{${entry('a', 0, 4, 'F99')}}`)).rejects.toThrow('tensor a has the unknown type "F99"');
  await expect(read(`{${entry('a', 0, 4, 'F32', [-1])}}`)).rejects.toThrow('tensor a has the shape [-1]');
  await expect(read(`{${entry('a', 0, 4, 'F32', [2 ** 40, 2 ** 40])}}`)).rejects.toThrow('tensor a of shape');
  await expect(read('{"a":null}')).rejects.toThrow('tensor a has the unknown type');
  await expect(read('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}')).rejects.toThrow('tensor a has the offsets [0]');
});

it('refuses a key that stands twice, however it is spelt', async () => {
  await expect(read(`{${entry('a', 0, 4)},${entry('a', 0, 4)}}`)).rejects.toThrow('its header has the key "a" twice');
  await expect(read(`{${entry('a', 0, 4)},${entry('a', 0, 4).replace('"a"', '"\\u0061" ')}}`)).rejects.toThrow('the key "a" twice');
  await expect(read('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}')).rejects.toThrow('the key "dtype" twice');
  expect((await read(`{"__metadata__":{"a":"{\\"a\\": \\"a\\"}"},${entry('a', 0, 4)}}`)).size).toBe(1);
});

it('joins the files of an index', async () => {
  const tensor = (value: number) => ({ dtype: 'F32', shape: [1], data: Float32Array.of(value) });
  const shards = {
    'one.safetensors': writeSafetensors({ a: tensor(1), b: tensor(2) }),
    'two.safetensors': writeSafetensors({ c: tensor(3) }),
  };
  const open = (weight_map: unknown) =>
    openCheckpoint(memory({ ...shards, 'model.safetensors.index.json': JSON.stringify({ weight_map }) }), 'model');
  const checkpoint = await open({ a: 'one.safetensors', b: 'one.safetensors', c: 'two.safetensors' });
  expect(await Promise.all([...checkpoint].map(async ([name, tensor]) => [name, [...(await tensor.data())]]))).toEqual([
    ['a', [1]],
    ['b', [2]],
    ['c', [3]],
  ]);
  await expect(open({ a: 'two.safetensors', c: 'two.safetensors' })).rejects.toThrow(
    'names tensors that are not in its files: a (two.safetensors)',
  );
  await expect(open({ a: '../one.safetensors' })).rejects.toThrow('must stay inside its folder');
  await expect(open({ a: 'three.safetensors' })).rejects.toThrow('there is no file three.safetensors');
  await expect(open([1])).rejects.toThrow('has no weight_map');
  await expect(openCheckpoint(memory({}), 'adapter_model')).rejects.toThrow(
    'none of adapter_model.safetensors, adapter_model.safetensors.index.json, adapter_model.bin',
  );
});

it('reads of a file only what is asked for', async () => {
  const bytes = writeSafetensors({
    big: { dtype: 'U8', shape: [1_000_000], data: new Uint8Array(1_000_000) },
    small: { dtype: 'U8', shape: [1], data: new Uint8Array(1) },
  });
  const whole = memory({ x: bytes });
  let taken = 0;
  const counted = {
    ...whole,
    read: (path: string, start = 0, end = bytes.length) => whole.read(path, start, end).finally(() => (taken += end - start)),
  };
  await (await readSafetensors(counted, 'x')).get('small')?.data();
  expect(taken).toBeLessThan(1000);
});
