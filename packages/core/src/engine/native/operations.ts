import * as tf from '@tensorflow/tfjs-core';
import { size } from './product';

/** A tensor before it is computed. */
export interface Described {
  readonly shape: readonly number[];
  readonly dtype: number;
  /** Reads what is in it; nothing where that is not computed yet. */
  values?(): readonly number[];
}

type Shape = readonly number[] | undefined;

interface Operation {
  /** The inputs that attributes give the types of: TensorFlow infers them where it computes at once, not in a graph. */
  readonly types: Readonly<Record<string, number>>;
  /** The shape that comes out; nothing where it cannot be told before inputs are computed. */
  shape(inputs: readonly Described[], attributes: Attributes): Shape;
  /** The type that comes out, where it is not the first input's. */
  dtype?(attributes: Attributes): number;
}

/** Attributes by name; what is absent has TensorFlow's default. */
export type Attributes = Readonly<Record<string, unknown>>;

const T = { T: 0 };
const same: Operation = { types: T, shape: ([x]) => x?.shape };
const pairwise: Operation = { types: T, shape: ([a, b]) => a && b && broadcast(a, b) };
const reduction: Operation = {
  types: { T: 0, Tidx: 1 },
  shape: ([x, axes], { keep_dims }) => {
    const given = axes?.values?.();
    if (!x || !given) return undefined;
    const gone = tf.util.parseAxisParam([...given], [...x.shape]);
    return keep_dims ? x.shape.map((n, i) => (gone.includes(i) ? 1 : n)) : x.shape.filter((_, i) => !gone.includes(i));
  },
};
const batchedProduct: Operation = {
  types: T,
  shape: ([a, b], { adj_x, adj_y }) => {
    const batch = a && b && tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
    return batch && [...batch, a.shape.at(adj_x ? -1 : -2) as number, b.shape.at(adj_y ? -2 : -1) as number];
  },
};

/** What a graph can be made of: the operations of a generating model's step. Others are computed by themselves. */
export const operations: Readonly<Record<string, Operation | undefined>> = {
  ...Object.fromEntries(
    ['Erf', 'Exp', 'InplaceUpdate', 'Neg', 'Relu', 'Rsqrt', 'Sigmoid', 'Softmax', 'Sqrt', 'Square', 'Tanh'].map((name) => [name, same]),
  ),
  ...Object.fromEntries(['Add', 'AddV2', 'Maximum', 'Minimum', 'Mul', 'RealDiv', 'Sub'].map((name) => [name, pairwise])),
  // The fused kernels.
  ...Object.fromEntries(
    ['Gelu', 'GeluTanh', 'LayerNorm', 'QuickGelu', 'RmsNorm', 'Rotary', 'Silu', 'Softmax', 'Swiglu'].map((name) => [
      `Peft${name}`,
      { ...same, types: {} },
    ]),
  ),
  ...Object.fromEntries(['Max', 'Mean', 'Sum'].map((name) => [name, reduction])),
  ArgMax: {
    types: { T: 0, Tidx: 1 },
    shape: ([x, axis]) => {
      const at = axis?.values?.()[0];
      return at === undefined ? undefined : x?.shape.toSpliced(at, 1);
    },
    dtype: ({ output_type }) => output_type as number,
  },
  BatchMatMulV2: batchedProduct,
  BatchMatMulV3: { ...batchedProduct, types: { Ta: 0, Tb: 1 }, dtype: ({ Tout }) => Tout as number },
  Cast: { types: { SrcT: 0 }, shape: ([x]) => x?.shape, dtype: ({ DstT }) => DstT as number },
  ConcatV2: {
    types: { T: 0, Tidx: -1 },
    shape: (inputs) => {
      const parts = inputs.slice(0, -1);
      const axis = inputs.at(-1)?.values?.()[0];
      const length = axis === undefined ? 0 : parts.reduce((sum, { shape }) => sum + (shape.at(axis) as number), 0);
      return axis === undefined ? undefined : parts[0]?.shape.with(axis, length);
    },
  },
  GatherV2: {
    types: { Tparams: 0, Tindices: 1, Taxis: 2 },
    shape: ([x, indices, axis], { batch_dims }) => {
      const at = axis?.values?.()[0];
      if (!x || !indices || at === undefined || batch_dims) return undefined;
      return [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)];
    },
  },
  MatMul: {
    types: T,
    shape: ([a, b], { transpose_a, transpose_b }) =>
      a && b && [a.shape[transpose_a ? 1 : 0] as number, b.shape[transpose_b ? 0 : 1] as number],
  },
  Reshape: {
    types: { T: 0, Tshape: 1 },
    shape: ([x, to]) => {
      const shape = to?.values?.();
      return x && shape && tf.util.inferFromImplicitShape([...shape], size(x.shape));
    },
  },
  Slice: {
    types: { T: 0, Index: 1 },
    shape: ([x, begin, extent]) => {
      const [from, counts] = [begin?.values?.(), extent?.values?.()];
      return from && counts?.map((n, i) => (n < 0 ? (x?.shape[i] as number) - (from[i] as number) : n));
    },
  },
  Tile: {
    types: { T: 0, Tmultiples: 1 },
    shape: ([x, times]) => {
      const multiples = times?.values?.();
      return x && multiples?.map((n, i) => n * (x.shape[i] as number));
    },
  },
  Transpose: { types: { T: 0, Tperm: 1 }, shape: ([x, order]) => x && order?.values?.().map((axis) => x.shape[axis] as number) },
};

/** Operations that write into their first input. */
export const WRITES = 'InplaceUpdate';
/** Operations whose result lies where their first input does. */
export const SHARES = ['Reshape', WRITES];

const broadcast = (a: Described, b: Described): readonly number[] =>
  tf.broadcast_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
