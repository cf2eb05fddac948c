import { expect, it } from 'vitest';
import { pythonNumber, readJson, writePythonJson } from './pythonJson';
import { memory } from './source';

it('writes as json.dumps(value, indent=2, sort_keys=True) does', () => {
  const value = {
    b: [1, 2.5, [], {}],
    a: { z: null, y: true, x: undefined },
    é: 'é\u2028\n"😀\x7f',
    Z: 1,
    _: 2,
    '10': 1,
    '9': 1,
    '\uffff': 1,
    '😀': 2,
    rate: 1,
    rates: { q: 8 },
  };
  expect(writePythonJson(value, (path) => path[0] === 'rate' || (path[0] === 'rates' && path.length === 2))).toBe(String.raw`{
  "10": 1,
  "9": 1,
  "Z": 1,
  "_": 2,
  "a": {
    "y": true,
    "z": null
  },
  "b": [
    1,
    2.5,
    [],
    {}
  ],
  "rate": 1.0,
  "rates": {
    "q": 8.0
  },
  "\u00e9": "\u00e9\u2028\n\"\ud83d\ude00\u007f",
  "\uffff": 1,
  "\ud83d\ude00": 2
}`);
});

it('writes numbers as Python does', () => {
  const floats = [
    0,
    -0,
    1e16,
    1e-5,
    1e22,
    123456789012345680,
    0.1,
    1e-4,
    1.5e-7,
    1e100,
    12345678901234.5,
    1e15,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NaN,
  ];
  const python =
    '0.0 -0.0 1e+16 1e-05 1e+22 1.2345678901234568e+17 0.1 0.0001 1.5e-07 1e+100 12345678901234.5 1000000000000000.0 Infinity -Infinity NaN';
  expect(floats.map((value) => pythonNumber(value, true)).join(' ')).toBe(python);
  expect([1e16, 1e21, -3, 0].map((value) => pythonNumber(value, false))).toEqual([
    '10000000000000000',
    '1000000000000000000000',
    '-3',
    '0',
  ]);
});

it('reads JSON, and says what is wrong with what is none', async () => {
  expect(await readJson(memory({ x: '\ufeff{"a": [1]}' }), 'x')).toEqual({ a: [1] });
  await expect(readJson(memory({}), 'x')).rejects.toThrow('there is no x in files in memory');
  await expect(readJson(memory({ x: '{' }), 'x')).rejects.toThrow('x in files in memory is no JSON');
  await expect(readJson({ ...memory({ x: '' }), size: async () => 2e8 }, 'x')).rejects.toThrow('more than a config can have');
});
