import { afterEach, beforeEach, expect, it } from 'vitest';
import { setWarningHandler } from '../warn';
import { openCheckpoint } from './checkpoint';
import expected from './fixtures/expected.json';
import { fixture, NAMES } from './fixtures/fixtures';
import { memory } from './source';
import { readTorch } from './torchFile';
import { unpickle } from './unpickle';

const parse = (bytes: Uint8Array) => readTorch(memory({ x: bytes }), 'x');
const open = async (name: string) => parse(await fixture(name));

let warnings: string[] = [];
beforeEach(() => {
  warnings = [];
  setWarningHandler((message) => warnings.push(message));
});
afterEach(() => {
  setWarningHandler(undefined);
});

it.each([
  ['types.bin', 'types'],
  ['views.bin', 'views'],
  ['legacy.bin', 'views'],
] as const)('reads %s as torch does', async (name, key) => {
  const checkpoint = await open(name);
  expect([...checkpoint.keys()]).toEqual(Object.keys(expected[key]));
  for (const [name, { dtype, shape, values }] of Object.entries(expected[key])) {
    const tensor = checkpoint.get(name);
    expect([name, tensor?.dtype, tensor?.shape]).toEqual([name, NAMES[dtype], shape]);
    expect([...((await tensor?.data()) ?? [])]).toEqual(values);
  }
  expect(warnings).toEqual([]);
});

it('reads tensors beside other things, with a warning', async () => {
  const checkpoint = await open('mixed.bin');
  expect([...checkpoint.keys()]).toEqual(['weight']);
  expect(warnings).toEqual([expect.stringContaining('no tensors and are ignored: epoch, names')]);
  await expect(open('list.bin')).rejects.toThrow('it holds no dictionary of tensors');
});

it('is found by the usual names', async () => {
  const checkpoint = await openCheckpoint(memory({ 'adapter_model.bin': await fixture('hand_made.bin') }), 'adapter_model');
  expect([...((await checkpoint.get('w')?.data()) ?? [])]).toEqual([1, 2, 3, 4]);
});

it.each([
  ['evil_system.bin', 'posix.system'],
  ['evil_eval.bin', '__builtin__.eval'],
  ['evil_legacy.bin', 'posix.system'],
  ['evil_inst.bin', 'os.system'],
  ['evil_stack_global.bin', 'os.system'],
])('runs nothing of %s', async (name, call) => {
  await expect(open(name)).rejects.toThrow(`asks to run "${call}"; only tensors are read`);
});

it.each([
  ['lie_shape.bin', 'tensor w of shape [3,2], strides [2,1] and offset 0 does not lie in its 4 values'],
  ['lie_offset.bin', 'tensor w of shape [2,2], strides [2,1] and offset 1 does not lie in its 4 values'],
  ['lie_negative.bin', 'a tensor is described wrongly'],
  ['lie_storage.bin', 'the values of w should be 32 bytes and are 16'],
  ['lie_repeat.bin', 'tensor w of shape [1099511627776] repeats its 4 values'],
  ['lie_missing.bin', 'the values data/0 are missing'],
])('refuses %s', async (name, problem) => {
  await expect(open(name)).rejects.toThrow(problem);
});

it.each(['types.bin', 'legacy.bin', 'hand_made.bin'])('refuses %s cut off anywhere', async (name) => {
  const bytes = await fixture(name);
  for (let length = 0; length < bytes.length; length += 7)
    await expect(parse(bytes.subarray(0, length))).rejects.toThrow(/^x in files in memory /);
});

it.each(['views.bin', 'legacy.bin', 'hand_made.bin'])('survives any damaged byte of %s', async (name) => {
  const bytes = await fixture(name);
  for (let at = 0; at < bytes.length; at += 3) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] as number) ^ 0xff;
    const read = parse(damaged).then((checkpoint) => Promise.all([...checkpoint.values()].map((tensor) => tensor.data())));
    const problem = await read.then(
      () => undefined,
      (error: Error) => error,
    );
    if (problem) expect([at, problem.message]).toEqual([at, expect.stringMatching(/^x (in files in memory is|asks to run)/)]);
  }
});

it('says what a file is that is none of torch', async () => {
  await expect(parse(new Uint8Array(3))).rejects.toThrow('it has 3 bytes');
  await expect(parse(new TextEncoder().encode('version https://git-lfs'))).rejects.toThrow(
    'it begins neither as a zip archive nor as a pickle',
  );
});

it('bounds what a pickle can ask for', () => {
  const handlers = { global: () => null, persistent: () => null };
  const run = (...bytes: number[]) => unpickle(Uint8Array.from(bytes), 0, handlers).value;
  expect(run(0x80, 2, 0x4b, 7, 0x2e)).toBe(7);
  expect(() => run(0x42, 0xff, 0xff, 0xff, 0x7f, 0x2e)).toThrow('the pickle is cut off');
  expect(() => run(0x8e, 255, 255, 255, 255, 255, 255, 255, 255)).toThrow('the pickle is cut off');
  expect(() => run(0x2e)).toThrow('the pickle takes more than it put');
  expect(() => run(0x68, 3)).toThrow('recalls what it never kept');
  expect(() => run(0x5d, 0x4b, 1, 0x4b, 2, 0x52)).toThrow('calls what cannot be called');
  expect(() => run(0x82, 1)).toThrow('the instruction 0x82, which building tensors does not need');
});
