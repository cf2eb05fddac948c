import type { Parameter } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

export interface GradientCheckOptions {
  /** The step of the finite differences. @default 0.03 */
  epsilon?: number;
  /** The largest difference allowed, relative to the largest gradient of that input. @default 1e-3 */
  tolerance?: number;
}

/**
 * Compares the gradients of f with finite differences (four points, float32), for every element of every input.
 * @param f takes the inputs in their order (parameters it reads itself) and gives a tensor of any shape; it must give the
 * same each time
 * @param inputs small tensors or parameters; parameters end with their values unchanged
 * Errors: gradients that differ, all inputs in one error
 */
export function checkGradients(
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: readonly (tf.Tensor | Parameter)[],
  { epsilon = 0.03, tolerance = 1e-3 }: GradientCheckOptions = {},
): void {
  const at = inputs.map((input) => (input instanceof tf.Tensor ? input : input.value));
  const probe = tf.tidy(() => f(...at));
  // Fixed weights that no symmetry of f cancels make one number of the output.
  const weights = Float32Array.from({ length: probe.size }, (_, i) => Math.sin(1.3 * i + 0.7) + 0.2);
  const project = (...values: tf.Tensor[]): number => {
    const y = tf.tidy(() => f(...values));
    const data = y.dataSync() as Float32Array;
    y.dispose();
    return data.reduce((total, value, i) => total + value * (weights[i] as number), 0);
  };
  const gradients = tf.tidy(() =>
    tf
      .grads(f)(at, tf.tensor(weights, probe.shape))
      .map((gradient) => gradient.dataSync() as Float32Array),
  );
  probe.dispose();

  const misfits: string[] = [];
  inputs.forEach((input, n) => {
    const original = (at[n] as tf.Tensor).dataSync().slice() as Float32Array;
    const { shape } = at[n] as tf.Tensor;
    const moved = (element: number, by: number): number => {
      const data = original.slice();
      (data[element] as number) += by;
      if (!(input instanceof tf.Tensor)) {
        input.set(data);
        return project(...at);
      }
      const tensor = tf.tensor(data, shape);
      const value = project(...at.map((other, i) => (i === n ? tensor : other)));
      tensor.dispose();
      return value;
    };
    const expected = original.map(
      (_, i) => (8 * (moved(i, epsilon) - moved(i, -epsilon)) - (moved(i, 2 * epsilon) - moved(i, -2 * epsilon))) / (12 * epsilon),
    );
    if (!(input instanceof tf.Tensor)) input.set(original);
    const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-2);
    const actual = gradients[n] as Float32Array;
    const worst = expected.reduce((at, value, i) => (off(actual[i], value) > off(actual[at], expected[at]) ? i : at), 0);
    const error = off(actual[worst], expected[worst]) / largest;
    if (!(error <= tolerance))
      misfits.push(
        `input ${n} of shape [${shape}]: at element ${worst} the gradient is ${actual[worst]}, by finite differences ${expected[worst]} (${error.toExponential(1)} of the largest, ${tolerance} allowed)`,
      );
  });
  if (misfits.length > 0) throw new Error(`gradients differ from finite differences\n${misfits.join('\n')}`);
}

const off = (actual = Number.NaN, expected = Number.NaN): number => {
  const difference = Math.abs(actual - expected);
  return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
};
