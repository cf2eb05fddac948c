import {
  AdapterLayer,
  add,
  BASE,
  type Conv2d,
  computeByRows,
  conv2d,
  dropout,
  kaimingUniform,
  kind,
  matMul,
  normal,
  Parameter,
  reshape,
  scale,
  uniform,
  values,
  zeros,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { lengths, rescale } from './dora';
import type { LayerSettings } from './LayerSettings';

/** LoRA on a two-dimensional convolution: A is a convolution to r channels, B a 1×1 convolution from them. */
export class LoraConv2d extends AdapterLayer<Conv2d> {
  static override readonly [kind] = 'lora.Conv2d';
  readonly lora_A: Record<string, { weight: Parameter }> = {}; // [r, in, height, width]
  readonly lora_B: Record<string, { weight: Parameter; bias?: Parameter }> = {}; // [out, r / groups, 1, 1]
  readonly lora_magnitude_vector: Record<string, Parameter> = {}; // [1, out, 1, 1]
  readonly scaling: Record<string, number> = {};
  readonly lora_dropout: Record<string, number> = {};

  add(name: string, { r, scaling, dropout: rate, init, use_dora, lora_bias }: LayerSettings): void {
    const { inChannels, outChannels, kernelSize, groups, dilation, weight } = this.base_layer;
    if (dilation[0] !== 1 || dilation[1] !== 1)
      throw new Error('a convolution with dilation cannot be adapted: Python PEFT cannot run such an adapter either');
    if (r % groups !== 0) throw new Error(`r ${r} must be a multiple of the convolution's ${groups} groups`);
    if (typeof init === 'string' && init !== 'gaussian')
      throw new Error(`init_lora_weights "${init}" cannot be used on a convolution: use true, false or "gaussian"`);
    const ofB = 1 / Math.sqrt(r / groups);
    this.lora_A[name] = { weight: new Parameter([r, inChannels, ...kernelSize], init === 'gaussian' ? normal(0, 1 / r) : kaimingUniform) };
    const B = { weight: new Parameter([outChannels, r / groups, 1, 1], init === false ? uniform(-ofB, ofB) : zeros) };
    this.lora_B[name] = lora_bias ? { ...B, bias: new Parameter([outChannels], init === false ? uniform(-ofB, ofB) : zeros) } : B;
    this.scaling[name] = scaling;
    this.lora_dropout[name] = rate;
    if (weight.ready) {
      this.lora_A[name].weight.initialize();
      this.lora_B[name].weight.initialize();
    }
    if (use_dora) {
      if (groups !== 1) throw new Error('use_dora cannot be used on a convolution with groups');
      this.lora_magnitude_vector[name] = new Parameter(
        [1, outChannels, 1, 1],
        weight.ready ? values(tf.tidy(() => this.#norm(name).dataSync())) : zeros,
      );
    }
  }

  /** @param x [B, H, W, in] @returns [B, H', W', out] */
  forward(x: tf.Tensor4D): tf.Tensor4D {
    if (this.rows) return computeByRows(x, this.rows, (part, name) => this.#compute(part, name === BASE ? [] : [name]));
    return this.#compute(x, this.active);
  }

  /** The change of the weight [out, in, height, width]; the caller disposes it. */
  delta(name: string): tf.Tensor4D {
    const { groups, weight } = this.base_layer;
    if (groups !== 1) throw new Error('an adapter on a convolution with groups cannot be merged');
    return tf.tidy(() => {
      const A = this.lora_A[name]?.weight.value as tf.Tensor;
      const B = this.lora_B[name]?.weight.value as tf.Tensor;
      const r = A.shape[0] as number;
      const scaled = tf.mul(tf.reshape(B, [-1, r]), this.scaling[name] as number) as tf.Tensor2D;
      return tf.reshape(matMul(scaled, tf.reshape(A, [r, -1]) as tf.Tensor2D), weight.shape as [number, number, number, number]);
    });
  }

  /** All that an adapter changes the weight by, DoRA's magnitude included; the caller disposes it. */
  change(name: string): tf.Tensor {
    const magnitude = this.lora_magnitude_vector[name];
    if (!magnitude) return this.delta(name);
    return tf.tidy(() => {
      const weight = (this.unmergedParameter('weight') as Parameter).value;
      const gain = tf.div(tf.reshape(magnitude.value, [-1]), this.#norm(name));
      return tf.sub(tf.mul(tf.add(weight, this.delta(name)), tf.reshape(gain, [-1, 1, 1, 1])), weight);
    });
  }

  /** The length of the base weight for each output; the caller disposes it. */
  baseLengths(): tf.Tensor1D {
    return lengths((this.unmergedParameter('weight') as Parameter).value, [1, 2, 3]);
  }

  protected fold(name: string): Record<string, tf.Tensor> {
    return tf.tidy(() => {
      const { weight, bias } = this.base_layer;
      const ownBias = this.lora_B[name]?.bias;
      if (ownBias && !bias) throw new Error('an adapter with lora_bias cannot be merged into a layer that has no bias');
      const magnitude = this.lora_magnitude_vector[name];
      let folded: tf.Tensor = tf.add(weight.value, this.delta(name));
      if (magnitude) folded = tf.mul(folded, tf.reshape(tf.div(tf.reshape(magnitude.value, [-1]), this.#norm(name)), [-1, 1, 1, 1]));
      return { weight: folded, ...(ownBias && bias && { bias: tf.add(bias.value, tf.mul(ownBias.value, this.scaling[name] as number)) }) };
    });
  }

  #compute(x: tf.Tensor4D, names: readonly string[]): tf.Tensor4D {
    const base = this.base_layer.forward(x);
    const { stride, padding, groups } = this.base_layer;
    let y = base;
    for (const name of names) {
      const A = this.lora_A[name]?.weight;
      const B = this.lora_B[name];
      if (!A || !B || this.merged.includes(name)) continue;
      const rate = this.training ? (this.lora_dropout[name] as number) : 0;
      const input = dropout(x, rate, this.training);
      const low = scale(
        conv2d(conv2d(input, A, null, { stride, padding }), B.weight, B.bias ?? null, { groups }),
        this.scaling[name] as number,
      ); // [B, H', W', out]
      const magnitude = this.lora_magnitude_vector[name];
      if (!magnitude) {
        y = add(y, low);
        continue;
      }
      const { weight, bias } = this.base_layer;
      const reference = rate > 0 ? conv2d(input, weight, null, { stride, padding }) : base;
      const flat = reshape<tf.Tensor2D>(add(reference, low), [-1, this.base_layer.outChannels]); // [N, out]
      const own = reshape<tf.Tensor4D>(rescale(flat, magnitude, this.#norm(name), rate > 0 ? null : bias), base.shape);
      y = rate === 0 && y === base ? own : add(y, own, scale(reference, -1));
    }
    return y;
  }

  #norm(name: string): tf.Tensor1D {
    return tf.tidy(() => lengths(tf.add((this.unmergedParameter('weight') as Parameter).value, this.delta(name)), [1, 2, 3]));
  }
}
