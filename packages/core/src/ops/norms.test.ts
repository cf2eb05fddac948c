import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkGradients } from '../../../testing/src/gradcheck';
import { layerNorm, rmsNorm } from './norms';
import { parameter, tensor } from './random.testing';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

const C = 768;

/** Rows normalised in double precision. */
function exactly(x: Float32Array, centred: boolean): number[] {
  const values: number[] = [];
  for (let start = 0; start < x.length; start += C) {
    const row = [...x.subarray(start, start + C)];
    const mean = centred ? row.reduce((sum, value) => sum + value, 0) / C : 0;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / C;
    values.push(...row.map((value) => (value - mean) / Math.sqrt(variance + 1e-6)));
  }
  return values;
}

describe('norms of long rows', () => {
  it.each([true, false])('are as exact as float32 allows (centred: %s)', (centred) => {
    const x = tf.add(tensor([64, C]), centred ? 1 : 0) as tf.Tensor2D;
    const [weight, bias] = [parameter([C]), parameter([C])];
    weight.set(new Float32Array(C).fill(1));
    bias.set(new Float32Array(C));
    const y = (centred ? layerNorm(x, weight, bias, 1e-6) : rmsNorm(x, weight, 1e-6)).dataSync<'float32'>();
    const exact = exactly(x.dataSync<'float32'>(), centred);
    const squares = exact.reduce((sum, value, i) => sum + ((y[i] as number) - value) ** 2, 0);
    expect(Math.sqrt(squares / exact.length)).toBeLessThan(1e-7); // summed one by one, more than 2e-7
  });

  it('have the gradients of finite differences', () => {
    const [weight, bias] = [parameter([128]), parameter([128])];
    checkGradients((a) => layerNorm(a as tf.Tensor2D, weight, bias, 1e-2), [tensor([1, 128])]);
    checkGradients((a) => rmsNorm(a as tf.Tensor2D, weight, 1e-2), [tensor([1, 128])]);
  });
});
