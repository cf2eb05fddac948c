import type { Generator } from './random';

/** Fills a new parameter of a shape; row-major. */
export type Initializer = (shape: readonly number[], random: Generator) => Float32Array;

const size = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);

export const zeros: Initializer = (shape) => new Float32Array(size(shape));
export const ones: Initializer = (shape) => new Float32Array(size(shape)).fill(1);

export const constant =
  (value: number): Initializer =>
  (shape) =>
    new Float32Array(size(shape)).fill(value);

export const normal =
  (mean = 0, std = 1): Initializer =>
  (shape, random) =>
    random.normal(size(shape), mean, std);

export const uniform =
  (low: number, high: number): Initializer =>
  (shape, random) =>
    random.uniform(size(shape), low, high);

/** What PyTorch gives the weight of a linear or convolution layer: U(±1/√fan_in), fan_in = all dimensions but the first. */
export const kaimingUniform: Initializer = (shape, random) => {
  const bound = 1 / Math.sqrt(size(shape.slice(1)));
  return random.uniform(size(shape), -bound, bound);
};

/** Given values, copied at each use. */
export const values =
  (data: ArrayLike<number>): Initializer =>
  () =>
    Float32Array.from(data);
