import {
  AdapterLayer,
  add,
  Conv1D,
  type Conv2d,
  conv2d,
  dropout,
  isA,
  kind,
  type Linear,
  linear,
  matMul,
  multiply,
  normal,
  Parameter,
  reshape,
  scale,
  zeros,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

/** What one adapter is on every layer. */
export interface LayerSettings {
  init_r: number;
  lora_alpha: number;
  lora_dropout: number;
  init_lora_weights: boolean | string;
  /** Loaded for use, not for training. */
  inference: boolean;
}

/** The parameters of an adapter on one layer. */
export interface Triplet {
  lora_A: Parameter; // [r, in]
  lora_B: Parameter; // [out, r]
  lora_E: Parameter; // [r, 1]
}

/** AdaLoRA on a linear layer or a convolution: a change of the weight as left vectors, singular values and right vectors. */
export class AdaLoraLayer extends AdapterLayer<Linear | Conv1D | Conv2d> {
  static override readonly [kind] = 'adalora.Layer';
  readonly lora_A: Record<string, Parameter> = {}; // [r, in]; of a convolution [r, in·height·width]
  readonly lora_B: Record<string, Parameter> = {}; // [out, r]
  readonly lora_E: Record<string, Parameter> = {}; // [r, 1]
  /** The rank that divides the scale: as in Python PEFT it stays init_r when ranks are cut. */
  readonly ranknum: Record<string, Parameter> = {}; // [1]
  readonly settings: Record<string, LayerSettings> = {};

  /** Gives the layer an adapter. @param rank how many singular values are left of init_r */
  add(name: string, rank: number, settings: LayerSettings): void {
    const layer = this.base_layer;
    if ('groups' in layer && layer.groups !== 1)
      throw new Error('a convolution with groups cannot be adapted: Python PEFT cannot run such an adapter either');
    this.settings[name] = settings;
    this.ranknum[name] = new Parameter([1], zeros, false, 'constant');
    this.place(name, this.triplet(name, rank));
  }

  /** New parameters of another rank for an adapter; not part of the layer. */
  triplet(name: string, rank: number): Triplet {
    const layer = this.base_layer;
    const { init_lora_weights: init } = this.settings[name] as LayerSettings;
    const out = layer.weight.shape[isA(layer, Conv1D) ? 1 : 0] as number;
    const random = init === false ? normal(0, 1) : normal(0, 0.02);
    return {
      lora_A: new Parameter([rank, layer.weight.shape.reduce((all, n) => all * n, 1) / out], random),
      lora_B: new Parameter([out, rank], random),
      lora_E: new Parameter([rank, 1], init === false ? random : zeros),
    };
  }

  /** Puts parameters in the place of an adapter's; those that stood there are the caller's. */
  place(name: string, { lora_A, lora_B, lora_E }: Triplet): void {
    this.lora_A[name] = lora_A;
    this.lora_B[name] = lora_B;
    this.lora_E[name] = lora_E;
    const { init_r } = this.settings[name] as LayerSettings;
    if (this.base_layer.weight.ready) this.ranknum[name]?.set([lora_E.size === 0 ? 0 : init_r]);
  }

  /** An adapter's parameters. */
  of(name: string): Triplet {
    return { lora_A: this.lora_A[name] as Parameter, lora_B: this.lora_B[name] as Parameter, lora_E: this.lora_E[name] as Parameter };
  }

  /** @param x [N, in], or [B, H, W, in] @returns [N, out], or [B, H', W', out] */
  forward<T extends tf.Tensor>(x: T): T {
    let y = (this.base_layer as unknown as { forward(x: T): T }).forward(x);
    for (const name of this.active) {
      if (!(name in this.settings) || this.merged.includes(name)) continue;
      const { lora_E } = this.of(name);
      const { lora_dropout: rate } = this.settings[name] as LayerSettings;
      if (lora_E.size > 0) y = add(y, this.#change(dropout(x, rate, this.training), name));
    }
    return y;
  }

  /** The change of the base weight, in the layer's own layout; the caller disposes it. */
  delta(name: string): tf.Tensor {
    const { weight } = this.base_layer;
    const { lora_A, lora_B, lora_E } = this.of(name);
    if (lora_E.size === 0) return tf.zeros([...weight.shape]);
    return tf.tidy(() => {
      const scaled = tf.mul(lora_A.value, lora_E.value) as tf.Tensor2D;
      const product = tf.mul(matMul(lora_B.value as unknown as tf.Tensor2D, scaled), this.#scaling(name)); // [out, in]
      return isA(this.base_layer, Conv1D) ? tf.transpose(product) : tf.reshape(product, [...weight.shape]);
    });
  }

  protected fold(name: string): Record<string, tf.Tensor> {
    return tf.tidy(() => ({ weight: tf.add(this.base_layer.weight.value, this.delta(name)) }));
  }

  #change<T extends tf.Tensor>(x: T, name: string): T {
    const { lora_A, lora_B, lora_E } = this.of(name);
    const middle = <M extends tf.Tensor>(thin: M): M =>
      scale(multiply(thin, reshape(lora_E.value, [...thin.shape.slice(0, -1).map(() => 1), lora_E.size])), this.#scaling(name));
    const layer = this.base_layer;
    if (!('kernelSize' in layer)) return linear(middle(linear(x as unknown as tf.Tensor2D, lora_A)), lora_B) as unknown as T;
    const thin = conv2d(x as unknown as tf.Tensor4D, lora_A, null, layer); // [B, H', W', r]
    return conv2d(middle(thin), lora_B, null, { kernelSize: [1, 1] }) as unknown as T;
  }

  /** lora_alpha, or the rank where that is not positive, divided as in Python PEFT by what can be zero. */
  #scaling(name: string): number {
    const { lora_alpha, init_r } = this.settings[name] as LayerSettings;
    return (lora_alpha > 0 ? lora_alpha : this.of(name).lora_E.size) / (init_r + 1e-5);
  }
}
