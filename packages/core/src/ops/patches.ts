import * as tf from '@tensorflow/tfjs-core';
import type { Conv2dOptions } from './conv2d';

type Pair = [number, number];

/** How a convolution's input falls into patches; N = B·height'·width' positions, each of kernel height·width taps. */
export interface Patches {
  groups: number;
  positions: number;
  taps: number;
  /** Channels of one group. */
  groupIn: number;
  groupOut: number;
  outShape: [number, number, number, number];
  /** [B, height, width, in] to [N, taps, in] */
  unfold(x: tf.Tensor4D): tf.Tensor3D;
  /** The gradient of `unfold`: adds up what patches share. */
  fold(patches: tf.Tensor3D): tf.Tensor4D;
}

export function patches(x: number[], weight: number[], options: Conv2dOptions): Patches {
  const { stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1 } = options;
  const [batch, height, width, channels] = x as [number, number, number, number];
  const [outChannels, groupIn, ...kernel] = weight as [number, number, number, number];
  if (groupIn * groups !== channels || outChannels % groups !== 0)
    throw new Error(`a convolution with weight [${weight}] and ${groups} groups takes ${groupIn * groups} channels, not [${x}]`);
  const padded: Pair = [height + 2 * padding[0], width + 2 * padding[1]];
  const out = padded.map((n, i) => Math.floor((n - dilation[i as 0] * (kernel[i as 0] - 1) - 1) / stride[i as 0]) + 1) as Pair;
  if (out[0] < 1 || out[1] < 1) throw new Error(`a convolution with kernel [${kernel}] and padding [${padding}] does not fit on [${x}]`);
  const positions = batch * out[0] * out[1];
  const taps = kernel[0] * kernel[1];
  const shape = {
    groups,
    positions,
    taps,
    groupIn,
    groupOut: outChannels / groups,
    outShape: [batch, ...out, outChannels] as Patches['outShape'],
  };
  const tiles = [0, 1].every(
    (i) => kernel[i as 0] === stride[i as 0] && (dilation[i as 0] === 1 || kernel[i as 0] === 1) && padding[i as 0] === 0,
  );

  if (tiles) {
    const used: Pair = [out[0] * kernel[0], out[1] * kernel[1]];
    const rest: [Pair, Pair, Pair, Pair] = [
      [0, 0],
      [0, height - used[0]],
      [0, width - used[1]],
      [0, 0],
    ];
    const exact = used[0] === height && used[1] === width;
    return {
      ...shape,
      unfold(t) {
        const cut = exact ? t : tf.slice(t, [0, 0, 0, 0], [batch, ...used, channels]);
        const rows = tf.reshape(cut, [batch * out[0], kernel[0], out[1], kernel[1] * channels]);
        return tf.reshape(tf.transpose(rows, [0, 2, 1, 3]), [positions, taps, channels]); // [N, taps, in]
      },
      fold(t) {
        const rows = tf.transpose(tf.reshape(t, [batch * out[0], out[1], kernel[0], kernel[1] * channels]), [0, 2, 1, 3]);
        const cut = tf.reshape(rows, [batch, ...used, channels]) as tf.Tensor4D;
        return exact ? cut : tf.pad(cut, rest);
      },
    };
  }

  const starts = Array.from(
    { length: taps },
    (_, tap): Pair => [Math.floor(tap / kernel[1]) * dilation[0], (tap % kernel[1]) * dilation[1]],
  );
  const border: [Pair, Pair, Pair, Pair] = [
    [0, 0],
    [padding[0], padding[0]],
    [padding[1], padding[1]],
    [0, 0],
  ];
  return {
    ...shape,
    unfold(t) {
      const whole = padding[0] + padding[1] > 0 ? tf.pad(t, border) : t;
      const views = starts.map(([top, left]) => {
        const end = [batch, top + (out[0] - 1) * stride[0] + 1, left + (out[1] - 1) * stride[1] + 1, channels];
        return tf.reshape(tf.stridedSlice(whole, [0, top, left, 0], end, [1, ...stride, 1]), [positions, channels]);
      });
      return tf.reshape(tf.concat(views, 1), [positions, taps, channels]); // [N, taps, in]
    },
    fold(t) {
      const spread: Pair = [out[0] * stride[0], out[1] * stride[1]];
      const parts = starts.map(([top, left], tap) => {
        const part = tf.reshape(tf.slice(t, [0, tap, 0], [positions, 1, channels]), [batch, out[0], 1, out[1] * channels]) as tf.Tensor4D;
        const tall = tf.reshape(
          tf.pad(part, [
            [0, 0],
            [0, 0],
            [0, stride[0] - 1],
            [0, 0],
          ]),
          [batch * spread[0], out[1], 1, channels],
        );
        const wide = tf.pad(tall as tf.Tensor4D, [
          [0, 0],
          [0, 0],
          [0, stride[1] - 1],
          [0, 0],
        ]);
        const placed = tf.reshape(wide, [batch, ...spread, channels]) as tf.Tensor4D;
        const size: Pair = [Math.min(spread[0], padded[0] - top), Math.min(spread[1], padded[1] - left)];
        const cut = tf.slice(placed, [0, 0, 0, 0], [batch, ...size, channels]);
        return tf.pad(cut, [
          [0, 0],
          [top, padded[0] - top - size[0]],
          [left, padded[1] - left - size[1]],
          [0, 0],
        ]);
      });
      const whole = parts.reduce((sum, part) => tf.add(sum, part));
      return tf.slice(whole, [0, padding[0], padding[1], 0], [batch, height, width, channels]); // [B, height, width, in]
    },
  };
}
