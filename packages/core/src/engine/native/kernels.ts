import type * as tf from '@tensorflow/tfjs-core';
import type { Attribute, Handle, Made } from './binding';
import type { GraphBinding } from './oneGraph';

export interface NodeBackend {
  binding: GraphBinding;
  readonly isUsingGpuDevice: boolean;
  getInputTensorIds(tensors: readonly tf.Tensor[]): Handle[];
  createOutputTensor(made: Made): tf.Tensor;
}

/** TensorFlow's number for the type, which tfjs does not know. */
export const BFLOAT16 = 14;

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
  const isConstant = (handle: Handle) => [...constants.values()].includes(handle);

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
      binding.forgetPatterns();
      constants.delete(oldest);
    }
    return handle;
  };
  const integers = (values: readonly number[]): Handle =>
    constant(`[${values}]`, () => binding.createTensor([values.length], binding.TF_INT32, Int32Array.from(values)));
  const integer = (value: number): Handle =>
    constant(`int ${value}`, () => binding.createTensor([], binding.TF_INT32, Int32Array.of(value)));
  const number = (value: number): Handle => constant(`${value}`, () => binding.createTensor([], binding.TF_FLOAT, Float32Array.of(value)));

  const none: Attribute[] = [];
  const unary = (name: string) => (x: Handle) => run(name, none, [x]);
  const binary = (name: string) => (a: Handle, b: Handle) => run(name, none, [a, b]);
  const withIntegers = (name: string) => (x: Handle, values: readonly number[]) => run(name, none, [x, integers(values)]);
  const kept = [set('keep_dims')];
  const along =
    (name: string) =>
    (x: Handle, axes: readonly number[], keepDims = false) =>
      run(name, keepDims ? kept : none, [x, integers(axes)]);
  const pair = [{ name: 'N', type: binding.TF_ATTR_INT, value: 2 }, type('T'), type('Tidx', binding.TF_INT32)];
  const products = flags('transpose_a', 'transpose_b');
  const batched = flags('adj_x', 'adj_y');
  const batchedV3 = flags('adj_x', 'adj_y', type('Tout'));
  const toFloat = [type('DstT')];
  const toBfloat16 = [type('DstT', BFLOAT16)];
  const pick = <X>(table: X[][], a: boolean, b: boolean) => (table[Number(a)] as X[])[Number(b)] as X;

  const of = (tensor: tf.Tensor): Handle => backend.getInputTensorIds([tensor])[0] as Handle;

  function last(body: () => Handle): Made {
    const outer = made;
    made = [];
    try {
      const result = body();
      const index = made.findIndex(({ id }) => id === result);
      return made.splice(index, 1)[0] as Made;
    } finally {
      for (const { id } of made) binding.deleteTensor(id);
      made = outer;
    }
  }

  return {
    /** An operation without attributes. */
    run: (name: string, inputs: readonly Handle[]) => run(name, none, inputs),
    /** What an operation with several outputs makes. */
    several: (name: string, inputs: readonly tf.Tensor[], outputs: number): tf.Tensor[] =>
      binding.executeOp(name, none, backend.getInputTensorIds(inputs), outputs).map((one) => backend.createOutputTensor(one)),
    number,
    /** A tensor without elements. */
    nothing: () => constant('nothing', () => binding.createTensor([0], binding.TF_FLOAT, new Float32Array(0))),
    asOneGraph: binding.asOneGraph,
    /** The handle of a tensor of tfjs. */
    of,
    /** What a function makes last, as a tensor of tfjs; all else that it made is freed. */
    compute: <Out extends tf.Tensor>(body: () => Handle): Out => backend.createOutputTensor(last(body)) as Out,
    /**
     * `compute` of a body that uses nothing but its inputs, their shapes and constants.
     * @param name tells it from others, and is to hold whatever else changes what it computes
     */
    form<Out extends tf.Tensor>(name: string, inputs: readonly tf.Tensor[], body: (...inputs: Handle[]) => Handle): Out {
      const handles = backend.getInputTensorIds(inputs);
      const key = `${name} ${inputs.map(({ shape }) => shape).join(' ')}`;
      return backend.createOutputTensor(binding.patterned(key, handles, isConstant, () => last(() => body(...handles)))) as Out;
    },
    add: binary('AddV2'),
    sub: binary('Sub'),
    mul: binary('Mul'),
    div: binary('RealDiv'),
    square: unary('Square'),
    rsqrt: unary('Rsqrt'),
    sigmoid: unary('Sigmoid'),
    tanh: unary('Tanh'),
    erf: unary('Erf'),
    exp: unary('Exp'),
    softmax: unary('Softmax'),
    reshape: withIntegers('Reshape'),
    transpose: withIntegers('Transpose'),
    max: along('Max'),
    mean: along('Mean'),
    sum: along('Sum'),
    concat: (a: Handle, b: Handle, axis: number) => run('ConcatV2', pair, [a, b, integer(axis)]),
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
    slice: (x: Handle, begin: readonly number[], size: readonly number[]) => run('Slice', none, [x, integers(begin), integers(size)]),
    toFloat: (x: Handle) => run('Cast', toFloat, [x]),
    toBfloat16: (x: Handle) => run('Cast', toBfloat16, [x]),
    matMul: (a: Handle, b: Handle, transposeA = false, transposeB = false) => run('MatMul', pick(products, transposeA, transposeB), [a, b]),
    batchMatMulV2: (a: Handle, b: Handle, transposeA = false, transposeB = false) =>
      run('BatchMatMulV2', pick(batched, transposeA, transposeB), [a, b]),
    batchMatMulV3: (a: Handle, b: Handle, transposeA = false, transposeB = false) =>
      run('BatchMatMulV3', pick(batchedV3, transposeA, transposeB), [a, b]),
    /** Parts along an axis, by their places there. */
    take: (x: Handle, places: readonly number[], axis: number) => run('GatherV2', none, [x, integers(places), integer(axis)]),
    /** Writes rows into x itself. @returns x under another handle */
    writeRows: (x: Handle, rows: readonly number[], values: Handle) => run('InplaceUpdate', none, [x, integers(rows), values]),
  };
}

export type NativeKernels = ReturnType<typeof nativeKernels>;
