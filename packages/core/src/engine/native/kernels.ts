import type * as tf from '@tensorflow/tfjs-core';

/** What tfjs-node's binding to TensorFlow offers, as far as it is used here. */
interface Binding {
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_SHAPE: number;
  readonly TF_ATTR_STRING: number;
  executeOp(name: string, attributes: readonly Attribute[], inputs: readonly Handle[], outputs: number): Made[];
  createTensor(shape: readonly number[], type: number, values: Float32Array | Int32Array): Handle;
  deleteTensor(handle: Handle): void;
}

interface Attribute {
  name: string;
  type: number;
  value: number | boolean | string | readonly number[];
}

interface Made {
  id: Handle;
  shape: number[];
  dtype: number;
}

export interface NodeBackend {
  readonly binding: Binding;
  getInputTensorIds(tensors: readonly tf.Tensor[]): Handle[];
  createOutputTensor(made: Made): tf.Tensor;
}

/** TensorFlow's number for the type, which tfjs does not know. */
export const BFLOAT16 = 14;

/** A tensor of TensorFlow's own. */
export type Handle = number;

/** So many constants are kept: those of positions are soon of no more use. */
const KEPT = 256;

/**
 * TensorFlow's kernels, called one after the other without what tfjs does around each of them, which takes longer than a small
 * kernel itself. What `compute` makes on the way is freed when it is done.
 */
export function nativeKernels(backend: NodeBackend) {
  const { binding } = backend;
  const type = (name: string, value = binding.TF_FLOAT): Attribute => ({ name, type: binding.TF_ATTR_TYPE, value });
  // What TensorFlow infers from the inputs, or takes by default, is not said: reading an attribute takes as long as a small kernel.
  const set = (name: string): Attribute => ({ name, type: binding.TF_ATTR_BOOL, value: true });
  const flags = (first: string, second: string, ...always: Attribute[]): Attribute[][][] =>
    [[], [set(first)]].map((a) => [[], [set(second)]].map((b) => [...always, ...a, ...b]));

  let made: Made[] = [];
  const constants = new Map<string, Handle>();

  const run = (name: string, attributes: readonly Attribute[], inputs: readonly Handle[]): Handle => {
    const [out] = binding.executeOp(name, attributes, inputs, 1) as [Made];
    made.push(out);
    return out.id;
  };
  const constant = (key: string, make: () => Handle): Handle => {
    const handle = constants.get(key) ?? make();
    // The first is the one that was used longest ago, so that no operation loses one of its own inputs.
    constants.delete(key);
    constants.set(key, handle);
    if (constants.size > KEPT) {
      const [oldest, stale] = constants.entries().next().value as [string, Handle];
      binding.deleteTensor(stale);
      constants.delete(oldest);
    }
    return handle;
  };
  const integers = (values: readonly number[]): Handle =>
    constant(`[${values}]`, () => binding.createTensor([values.length], binding.TF_INT32, Int32Array.from(values)));
  const number = (value: number): Handle => constant(`${value}`, () => binding.createTensor([], binding.TF_FLOAT, Float32Array.of(value)));

  /** The matrix [n, n] that swaps the halves of a row. */
  const swapOf = (n: number): Handle =>
    constant(`swap ${n}`, () => {
      const matrix = new Float32Array(n * n);
      for (let i = 0; i < n; i++) matrix[i * n + ((i + n / 2) % n)] = 1;
      return binding.createTensor([n, n], binding.TF_FLOAT, matrix);
    });

  const none: Attribute[] = [];
  const unary = (name: string) => (x: Handle) => run(name, none, [x]);
  const binary = (name: string) => (a: Handle, b: Handle) => run(name, none, [a, b]);
  const withIntegers = (name: string) => (x: Handle, values: readonly number[]) => run(name, none, [x, integers(values)]);
  const kept = [set('keep_dims')];
  const products = flags('transpose_a', 'transpose_b');
  const batched = flags('adj_x', 'adj_y');
  const batchedV3 = flags('adj_x', 'adj_y', type('Tout'));
  const toFloat = [type('DstT')];
  const toBfloat16 = [type('DstT', BFLOAT16)];
  const pick = <X>(table: X[][], a: boolean, b: boolean) => (table[Number(a)] as X[])[Number(b)] as X;

  return {
    number,
    swapOf,
    /** The handle of a tensor of tfjs. */
    of: (tensor: tf.Tensor): Handle => backend.getInputTensorIds([tensor])[0] as Handle,
    /** What a function makes last, as a tensor of tfjs; all else that it made is freed. */
    compute<Out extends tf.Tensor>(body: () => Handle): Out {
      const outer = made;
      made = [];
      try {
        const result = body();
        const index = made.findIndex(({ id }) => id === result);
        const [out] = made.splice(index, 1) as [Made];
        return backend.createOutputTensor(out) as Out;
      } finally {
        for (const { id } of made) binding.deleteTensor(id);
        made = outer;
      }
    },
    add: binary('AddV2'),
    sub: binary('Sub'),
    mul: binary('Mul'),
    square: unary('Square'),
    rsqrt: unary('Rsqrt'),
    sigmoid: unary('Sigmoid'),
    tanh: unary('Tanh'),
    erf: unary('Erf'),
    softmax: unary('Softmax'),
    reshape: withIntegers('Reshape'),
    transpose: withIntegers('Transpose'),
    /** The mean along the last of two dimensions. */
    rowMeans: (x: Handle) => run('Mean', kept, [x, integers([1])]),
    /** The first values of a file, which are read when they are used. */
    mappedFile: (file: string, valueType: number, count: number) =>
      run(
        'ImmutableConst',
        [
          type('dtype', valueType),
          { name: 'shape', type: binding.TF_ATTR_SHAPE, value: [count] },
          { name: 'memory_region_name', type: binding.TF_ATTR_STRING, value: file },
        ],
        [],
      ),
    /** A part of a vector. */
    slice: (x: Handle, start: number, count: number) => run('Slice', none, [x, integers([start]), integers([count])]),
    toFloat: (x: Handle) => run('Cast', toFloat, [x]),
    toBfloat16: (x: Handle) => run('Cast', toBfloat16, [x]),
    matMul: (a: Handle, b: Handle, transposeA = false, transposeB = false) => run('MatMul', pick(products, transposeA, transposeB), [a, b]),
    batchMatMulV2: (a: Handle, b: Handle, transposeA = false, transposeB = false) =>
      run('BatchMatMulV2', pick(batched, transposeA, transposeB), [a, b]),
    batchMatMulV3: (a: Handle, b: Handle, transposeA = false, transposeB = false) =>
      run('BatchMatMulV3', pick(batchedV3, transposeA, transposeB), [a, b]),
    /** A dimension in the reverse order; swaps halves four times as fast as Roll. */
    reverse: (x: Handle, axis: number) => run('ReverseV2', none, [x, integers([axis])]),
    /** Writes rows into x itself. @returns x under another handle */
    writeRows: (x: Handle, rows: readonly number[], values: Handle) => run('InplaceUpdate', none, [x, integers(rows), values]),
  };
}

export type NativeKernels = ReturnType<typeof nativeKernels>;
