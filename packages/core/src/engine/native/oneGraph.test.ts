import * as fs from 'node:fs';
import * as os from 'node:os';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Binding, Handle } from './binding';
import { type GraphBinding, graphBinding } from './oneGraph';

const [FLOAT, INT32] = [1, 3];

interface Values {
  shape: number[];
  dtype: number;
  values: number[];
}

const kernels: Record<string, (...inputs: Values[]) => Values> = {
  Identity: (x) => ({ ...x }),
  Square: (x) => ({ ...x, values: x.values.map((a) => a * a) }),
  Cube: (x) => ({ ...x, values: x.values.map((a) => a ** 3) }),
  AddV2: (x, y) => ({ ...x, values: x.values.map((a, i) => a + (y?.values[i] as number)) }),
  Reshape: (x, to) => ({ ...x, shape: (to as Values).values }),
  InplaceUpdate: (x, rows, y) => {
    const width = x.shape[1] as number;
    (rows as Values).values.forEach((row, i) => {
      x.values.splice(row * width, width, ...(y as Values).values.slice(i * width, (i + 1) * width));
    });
    return { ...x };
  },
};

/** A graph's nodes as TensorFlow reads them from a file. */
function nodesIn(file: Buffer): { name: string; operation: string; inputs: string[] }[] {
  const fields = (bytes: Buffer): { field: number; value: Buffer }[] => {
    const found: { field: number; value: Buffer }[] = [];
    let at = 0;
    const varint = () => {
      let [value, scale] = [0, 1];
      for (;;) {
        const byte = bytes[at++] as number;
        value += (byte % 128) * scale;
        if (byte < 128) return value;
        scale *= 128;
      }
    };
    while (at < bytes.length) {
      const key = varint();
      if (key % 8 === 2) {
        const length = varint();
        found.push({ field: Math.floor(key / 8), value: bytes.subarray(at, at + length) });
        at += length;
      } else varint();
    }
    return found;
  };
  const all = (bytes: Buffer, field: number) => fields(bytes).flatMap((one) => (one.field === field ? [one.value] : []));
  const [metaGraph] = all(file, 2);
  const [graph] = all(metaGraph as Buffer, 2);
  return all(graph as Buffer, 1).map((node) => ({
    name: `${all(node, 1)[0]}`,
    operation: `${all(node, 2)[0]}`,
    inputs: all(node, 3).map(String),
  }));
}

/** A binding that computes a few operations, alone and in graphs. */
class SmallBinding {
  readonly TF_FLOAT = FLOAT;
  readonly TF_INT32 = INT32;
  readonly TF_ATTR_TYPE = 1;
  readonly TF_ATTR_BOOL = 2;
  readonly TF_ATTR_INT = 3;
  readonly tensors = new Map<Handle, Values>();
  readonly graphs = new Map<number, ReturnType<typeof nodesIn>>();
  #next = 0;

  add(values: Values): Handle {
    this.tensors.set(this.#next, values);
    return this.#next++;
  }
  get = (handle: Handle): Values => {
    const values = this.tensors.get(handle);
    if (!values) throw new Error(`no tensor ${handle}`);
    return values;
  };
  executeOp = vi.fn((name: string, _: unknown, inputs: readonly Handle[]) => {
    const out = (kernels[name] as (...inputs: Values[]) => Values)(...inputs.map(this.get));
    return [{ ...out, id: this.add(out) }];
  });
  createTensor = (shape: number[], dtype: number, values: ArrayLike<number>) => this.add({ shape, dtype, values: Array.from(values) });
  deleteTensor = (handle: Handle) => {
    this.get(handle);
    this.tensors.delete(handle);
  };
  tensorDataSync = (handle: Handle) => this.get(handle).values;
  loadSavedModel = vi.fn((folder: string) => {
    this.graphs.set(this.#next, nodesIn(fs.readFileSync(`${folder}/saved_model.pb`)));
    return this.#next++;
  });
  deleteSavedModel = (model: number) => void this.graphs.delete(model);
  runSavedModel = vi.fn((model: number, inputs: readonly Handle[], inputNames: string, outputNames: string) => {
    const made = new Map(inputNames.split(',').map((name, i) => [name.replace(':0', ''), this.get(inputs[i] as Handle)]));
    for (const { name, operation, inputs: from } of this.graphs.get(model) ?? [])
      if (operation !== 'Placeholder')
        made.set(name, (kernels[operation] as (...x: Values[]) => Values)(...from.flatMap((one) => made.get(one) ?? [])));
    return outputNames.split(',').map((name) => {
      const out = made.get(name.replace(':0', '')) as Values;
      return { ...out, id: this.add(out) };
    });
  });
}

let small: SmallBinding;
let binding: GraphBinding;
beforeEach(() => {
  small = new SmallBinding();
  binding = graphBinding(small as unknown as Binding, { fs, os });
});

const run = (name: string, ...inputs: Handle[]): Handle => (binding.executeOp(name, [], inputs, 1)[0] as { id: Handle }).id;
const vector = (...values: number[]) => binding.createTensor([values.length], FLOAT, Float32Array.from(values));
const integers = (...values: number[]) => binding.createTensor([values.length], INT32, Int32Array.from(values));
/** (x² + x)², freeing what it makes on the way. */
const polynomial = (x: Handle): Handle => {
  const square = run('Square', x);
  const sum = run('AddV2', square, x);
  const out = run('Square', sum);
  for (const handle of [square, sum]) binding.deleteTensor(handle);
  return out;
};
const read = (handle: Handle): number[] => {
  const values = Array.from(binding.tensorDataSync(handle));
  binding.deleteTensor(handle);
  return values;
};

describe('operations as one graph', () => {
  it('gives what they give one after the other, in one call when they have come often', () => {
    const x = vector(1, 2);
    const calls = Array.from({ length: 12 }, () => {
      small.executeOp.mockClear();
      expect(read(binding.asOneGraph(() => polynomial(x)))).toEqual([4, 36]);
      return small.executeOp.mock.calls.filter(([name]) => name !== 'Identity').length;
    });
    expect(calls).toEqual([3, 3, 3, 3, 3, 3, 3, 0, 0, 0, 0, 0]);
    expect(small.loadSavedModel).toHaveBeenCalledTimes(1);
    expect(small.runSavedModel.mock.calls[0]?.slice(1)).toEqual([[x], 'f0:0', 'n2:0']);
    expect([...small.tensors.keys()]).toEqual([x]);
  });

  it('serves other values, and tells other operations from these', () => {
    for (let i = 0; i < 9; i++) {
      const x = vector(i);
      expect(read(binding.asOneGraph(() => polynomial(x)))).toEqual([(i * i + i) ** 2]);
      expect(read(binding.asOneGraph(() => run('Square', x)))).toEqual([i * i]);
      binding.deleteTensor(x);
    }
    expect(small.loadSavedModel).toHaveBeenCalledTimes(2);
    expect(small.tensors.size).toBe(0);
  });

  it('keeps the order of what is written and read in one memory', () => {
    const cache = binding.createTensor([2, 2], FLOAT, Float32Array.of(1, 2, 3, 4));
    const flat = integers(4);
    const written = () => {
      const before = run('Reshape', cache, flat);
      const old = run('Square', before);
      const update = run('InplaceUpdate', cache, integers(1), binding.createTensor([1, 2], FLOAT, Float32Array.of(7, 8)));
      const after = run('Square', before);
      for (const handle of [before, update]) binding.deleteTensor(handle);
      return [old, after];
    };
    for (let i = 0; i < 8; i++) {
      binding.executeOp('InplaceUpdate', [], [cache, integers(1), binding.createTensor([1, 2], FLOAT, Float32Array.of(3, 4))], 1);
      const [, after] = binding.asOneGraph(written);
      expect(read(after as Handle)).toEqual([1, 4, 49, 64]);
    }
    const nodes = [...small.graphs.values()][0] as ReturnType<typeof nodesIn>;
    expect(nodes.filter(({ operation }) => operation !== 'Placeholder').map(({ name, inputs }) => [name, ...inputs])).toEqual([
      ['n0', 'f0', 'f1'],
      ['n1', 'n0'],
      ['n2', 'f0', 'f2', 'f3', '^n0', '^n1'],
      ['n3', 'n0', '^n2'],
    ]);
  });

  it('computes at once what is read and what graphs cannot hold', () => {
    const x = vector(2);
    for (let i = 0; i < 9; i++) {
      const out = binding.asOneGraph(() => {
        const square = run('Square', x);
        expect(Array.from(binding.tensorDataSync(square))).toEqual([4]);
        const cube = run('Cube', square);
        const sum = run('AddV2', cube, square);
        for (const handle of [square, cube]) binding.deleteTensor(handle);
        return sum;
      });
      expect(read(out)).toEqual([68]);
    }
    expect([...small.tensors.keys()]).toEqual([x]);
  });

  it('goes on one by one where TensorFlow refuses a graph', () => {
    small.loadSavedModel.mockImplementation(() => {
      throw new Error('no graphs here');
    });
    const x = vector(3);
    for (let i = 0; i < 10; i++) expect(read(binding.asOneGraph(() => polynomial(x)))).toEqual([144]);
    expect(small.loadSavedModel).toHaveBeenCalledTimes(1);
    expect([...small.tensors.keys()]).toEqual([x]);
  });

  it('leaves nothing behind of a body that throws', () => {
    const x = vector(3);
    expect(() =>
      binding.asOneGraph(() => {
        binding.deleteTensor(vector(1));
        polynomial(x);
        throw new Error('no further');
      }),
    ).toThrow('no further');
    expect([...small.tensors.keys()]).toEqual([x]);
    expect(read(run('Square', x))).toEqual([9]);
  });
});

describe('patterns', () => {
  const constant = () => small.add({ shape: [1], dtype: FLOAT, values: [10] });

  it('repeat a body without running it, on other inputs and in other places', () => {
    const ten = constant();
    const body = vi.fn((x: Handle) => ({ id: run('AddV2', run('Square', x), ten), shape: [1], dtype: FLOAT }));
    const patterned = (x: Handle) =>
      binding.patterned(
        'key',
        [x],
        (handle) => handle === ten,
        () => body(x),
      ).id;
    const results = [1, 2, 3].map((value) => read(binding.asOneGraph(() => patterned(patterned(vector(value))))));
    expect(results).toEqual([[131], [206], [371]]);
    expect(body).toHaveBeenCalledTimes(1);
    binding.forgetPatterns();
    binding.asOneGraph(() => patterned(vector(1)));
    expect(body).toHaveBeenCalledTimes(2);
  });

  it('are not made of what uses other tensors, or of the same one twice', () => {
    const other = vector(5);
    const body = vi.fn((x: Handle, y: Handle) => ({ id: run('AddV2', x, y), shape: [1], dtype: FLOAT }));
    const never = () => false;
    for (const value of [1, 2]) {
      const sum = (x: Handle) => binding.patterned('hidden', [x], never, () => body(x, other)).id;
      expect(read(binding.asOneGraph(() => sum(vector(value))))).toEqual([value + 5]);
      const twice = (x: Handle) => binding.patterned('twice', [x, x], never, () => body(x, x)).id;
      expect(read(binding.asOneGraph(() => twice(vector(value))))).toEqual([2 * value]);
    }
    expect(body).toHaveBeenCalledTimes(4);
  });

  it('are for what is held back: elsewhere the body runs', () => {
    const body = vi.fn((x: Handle) => ({ id: run('Square', x), shape: [1], dtype: FLOAT }));
    const x = vector(3);
    for (let i = 0; i < 2; i++)
      expect(
        read(
          binding.patterned(
            'key',
            [x],
            () => false,
            () => body(x),
          ).id,
        ),
      ).toEqual([9]);
    expect(body).toHaveBeenCalledTimes(2);
  });
});
