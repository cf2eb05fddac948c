import {
  AdapterLayer,
  BASE,
  Conv1D,
  type Conv2d,
  computeByRows,
  isA,
  kind,
  type Linear,
  multiply,
  normal,
  ones,
  Parameter,
  reshape,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

/** A layer whose input (feed-forward) or output is multiplied by one vector an adapter. */
export class Ia3Layer extends AdapterLayer<Linear | Conv1D | Conv2d> {
  static override readonly [kind] = 'ia3.Layer';
  readonly ia3_l: Record<string, Parameter> = {}; // [1, in] or [out, 1]; convolutions [1, channels, 1, 1]
  readonly is_feedforward: boolean;

  constructor(base: Linear | Conv1D | Conv2d, isFeedforward: boolean) {
    super(base);
    this.is_feedforward = isFeedforward;
  }

  add(name: string, init: boolean): void {
    const layer = this.base_layer;
    const isConv = 'inChannels' in layer;
    const size = isConv
      ? this.is_feedforward
        ? layer.inChannels
        : layer.outChannels
      : this.is_feedforward
        ? layer.inFeatures
        : layer.outFeatures;
    const shape = isConv ? [1, size, 1, 1] : this.is_feedforward ? [1, size] : [size, 1];
    this.ia3_l[name] = new Parameter(shape, init ? ones : normal(0, 1));
  }

  /** @param x [N, in], or [B, H, W, in] @returns [N, out], or [B, H', W', out] */
  forward<T extends tf.Tensor>(x: T): T {
    if (this.rows) return computeByRows(x, this.rows, (part, name) => this.#compute(part, name === BASE ? [] : [name]));
    return this.#compute(x, this.active);
  }

  protected fold(name: string): Record<string, tf.Tensor> {
    return tf.tidy(() => {
      const { weight, bias } = this.base_layer;
      const vector = tf.reshape((this.ia3_l[name] as Parameter).value, [-1]);
      if (this.is_feedforward) return { weight: tf.mul(weight.value, this.#alongInputs(vector)) };
      const perOutput = isA(this.base_layer, Conv1D) ? vector : tf.reshape(vector, [-1, ...weight.shape.slice(1).map(() => 1)]);
      return { weight: tf.mul(weight.value, perOutput), ...(bias && { bias: tf.mul(bias.value, vector) }) };
    });
  }

  #compute<T extends tf.Tensor>(x: T, names: readonly string[]): T {
    const vectors = names.filter((name) => !this.merged.includes(name)).flatMap((name) => this.ia3_l[name] ?? []);
    const multiplied = (value: T) => vectors.reduce<T>((y, vector) => multiplyLast(y, vector), value);
    const forward = (value: T) => (this.base_layer as unknown as { forward(x: T): T }).forward(value);
    return this.is_feedforward ? forward(multiplied(x)) : multiplied(forward(x));
  }

  /** A vector over the input in the weight's layout. */
  #alongInputs(vector: tf.Tensor): tf.Tensor {
    const layer = this.base_layer;
    if (isA(layer, Conv1D)) return tf.reshape(vector, [-1, 1]);
    if (!('inChannels' in layer)) return tf.reshape(vector, [1, -1]);
    // Each group of outputs sees its own channels.
    const { groups, outChannels, inChannels } = layer;
    const perGroup = tf.reshape(vector, [groups, 1, inChannels / groups]);
    return tf.reshape(tf.tile(perGroup, [1, outChannels / groups, 1]), [outChannels, inChannels / groups, 1, 1]);
  }
}

/** x times a vector along its last dimension. */
function multiplyLast<T extends tf.Tensor>(x: T, vector: Parameter): T {
  const width = vector.size;
  const flat = multiply(reshape<tf.Tensor2D>(x, [-1, width]), reshape(vector.value, [1, width]));
  return reshape<T>(flat, x.shape);
}
