import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkGradients } from '../../../testing/src/gradcheck';
import { type Conv2dOptions, conv2d } from './conv2d';
import { expectClose, parameter, tensor } from './random.testing';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

/** The definition, in plain loops; x channels-last, weight [out, in / groups, kh, kw]. */
function reference(x: tf.Tensor4D, w: tf.Tensor4D, bias: tf.Tensor, outShape: number[], options: Required<Conv2dOptions>): number[] {
  const { stride, padding, dilation, groups } = options;
  const [pixels, kernels, biases] = [x.bufferSync(), w.bufferSync(), bias.dataSync()];
  const [outChannels, perGroup, kh, kw] = w.shape;
  const [batch, height, width] = outShape as [number, number, number];
  const result: number[] = [];
  for (let n = 0; n < batch; n++)
    for (let r = 0; r < height; r++)
      for (let c = 0; c < width; c++)
        for (let o = 0; o < outChannels; o++) {
          const first = Math.floor(o / (outChannels / groups)) * perGroup;
          let total = biases[o] as number;
          for (let i = 0; i < perGroup; i++)
            for (let ky = 0; ky < kh; ky++)
              for (let kx = 0; kx < kw; kx++) {
                const [row, column] = [r * stride[0] - padding[0] + ky * dilation[0], c * stride[1] - padding[1] + kx * dilation[1]];
                const inside = row >= 0 && row < x.shape[1] && column >= 0 && column < x.shape[2];
                if (inside) total += kernels.get(o, i, ky, kx) * pixels.get(n, row, column, first + i);
              }
          result.push(total);
        }
  return result;
}

const cases: Record<string, [number[], number[], Conv2dOptions]> = {
  plain: [[2, 4, 5, 3], [2, 3, 3, 2], {}],
  'padding and stride': [[1, 5, 6, 2], [3, 2, 3, 3], { stride: [2, 3], padding: [1, 2] }],
  dilation: [[1, 5, 5, 2], [2, 2, 2, 3], { dilation: [2, 1], padding: [0, 1] }],
  'stride beyond the kernel': [[1, 7, 5, 2], [2, 2, 2, 1], { stride: [3, 2] }],
  'patch embedding': [[2, 4, 6, 3], [4, 3, 2, 3], { stride: [2, 3] }],
  'patch embedding with a rest': [[1, 5, 5, 2], [2, 2, 2, 2], { stride: [2, 2] }],
  pointwise: [[2, 2, 3, 3], [4, 3, 1, 1], {}],
  groups: [[1, 4, 4, 4], [6, 2, 3, 3], { groups: 2, padding: [1, 1] }],
  depthwise: [[2, 4, 4, 3], [3, 1, 3, 3], { groups: 3, padding: [1, 1], stride: [2, 1] }],
  'depthwise with two kernels a channel': [[1, 3, 3, 3], [6, 1, 2, 2], { groups: 3 }],
};

describe('conv2d', () => {
  it.each(Object.entries(cases))('%s', (_, [xShape, weightShape, options]) => {
    const [x, weight, bias] = [tensor<tf.Tensor4D>(xShape), parameter(weightShape), parameter([weightShape[0] as number])];
    const y = conv2d(x, weight, bias, options);
    const full = { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1, ...options } as Required<Conv2dOptions>;
    const size = (i: 0 | 1) => {
      const reach = full.dilation[i] * ((weightShape[i + 2] as number) - 1) + 1;
      return Math.floor(((xShape[i + 1] as number) + 2 * full.padding[i] - reach) / full.stride[i]) + 1;
    };
    expect(y.shape).toEqual([xShape[0], size(0), size(1), weightShape[0]]);
    expectClose(y, reference(x, weight.value as unknown as tf.Tensor4D, bias.value, y.shape, full), 4);
    const before = tf.memory().numTensors;
    // Linear in every input, so a large step has no error but less rounding.
    checkGradients((a) => conv2d(a as tf.Tensor4D, weight, bias, options), [x, weight, bias], { epsilon: 0.5 });
    expect(tf.memory().numTensors).toBe(before);
  });

  it('takes a kernel without a height', () => {
    const [x, flat] = [tensor<tf.Tensor4D>([2, 1, 7, 3]), parameter([4, 3, 3])];
    const whole = parameter([4, 3, 1, 3]);
    whole.set(flat.value.dataSync() as Float32Array);
    const options: Conv2dOptions = { stride: [1, 2], padding: [0, 1] };
    const y = conv2d(x, flat, null, options);
    expect(y.shape).toEqual([2, 1, 4, 4]);
    expectClose(y, Array.from(conv2d(x, whole, null, options).dataSync()));
    checkGradients((a) => conv2d(a as tf.Tensor4D, flat, null, options), [x, flat], { epsilon: 0.5 });
  });

  it('says what does not fit', () => {
    expect(() => conv2d(tensor<tf.Tensor4D>([1, 4, 4, 3]), parameter([2, 4, 1, 1]))).toThrow('takes 4 channels');
    expect(() => conv2d(tensor<tf.Tensor4D>([1, 2, 2, 3]), parameter([2, 3, 3, 3]))).toThrow('does not fit');
  });
});
