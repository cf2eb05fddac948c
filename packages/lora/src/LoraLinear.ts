import {
  AdapterLayer,
  add,
  BASE,
  Conv1D,
  computeByRows,
  dropout,
  isA,
  kind,
  type Linear,
  linear,
  linearTransposed,
  lowRank,
  matMul,
  Parameter,
  scale,
  uniform,
  values,
  zeros,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { InitLoraWeights } from './config';
import { lengths, rescale } from './dora';
import { loraStart } from './initialize';
import type { LayerSettings } from './LayerSettings';

/** LoRA on a linear layer, stored [out, in] (Linear) or [in, out] (Conv1D). */
export class LoraLinear extends AdapterLayer<Linear | Conv1D> {
  static override readonly [kind] = 'lora.Linear';
  readonly lora_A: Record<string, { weight: Parameter }> = {}; // [r, in]
  readonly lora_B: Record<string, { weight: Parameter; bias?: Parameter }> = {}; // [out, r], [out]
  readonly lora_magnitude_vector: Record<string, Parameter> = {}; // [out]
  readonly scaling: Record<string, number> = {};
  readonly lora_dropout: Record<string, number> = {};

  /** The base weight as it was before an adapter's start was taken off it. */
  readonly #before = new Map<string, Parameter>();

  /** Gives the layer an adapter. "pissa" and "olora" take the adapter's start off the base weight. */
  add(name: string, { r, scaling, dropout: rate, init, use_dora, lora_bias }: LayerSettings): void {
    const { inFeatures, outFeatures } = this.base_layer;
    const ready = this.base_layer.weight.ready;
    // Without values of the base there is nothing to decompose: shapes alone are made.
    const start = loraStart(ready || typeof init === 'boolean' ? init : true, { inFeatures, outFeatures, r, scaling }, () =>
      this.#toDecompose(init),
    );
    this.lora_A[name] = { weight: new Parameter([r, inFeatures], start.A) };
    const B = { weight: new Parameter([outFeatures, r], start.B) };
    const bound = 1 / Math.sqrt(r);
    this.lora_B[name] = lora_bias ? { ...B, bias: new Parameter([outFeatures], init === false ? uniform(-bound, bound) : zeros) } : B;
    this.scaling[name] = scaling;
    this.lora_dropout[name] = rate;
    if (ready) {
      this.lora_A[name].weight.initialize();
      this.lora_B[name].weight.initialize();
    }
    if (start.subtract) this.#takeOff(name, start.subtract, init);
    if (use_dora)
      this.lora_magnitude_vector[name] = new Parameter([outFeatures], ready ? values(tf.tidy(() => this.#norm(name).dataSync())) : zeros);
  }

  /** Undoes what an adapter's start did to the base weight. */
  restoreBase(name: string): void {
    const before = this.#before.get(name);
    if (!before) return;
    this.#before.delete(name);
    this.base_layer.weight.dispose();
    this.#setWeight(before);
  }

  /** Makes what an adapter's start did to the base weight final. */
  forgetBase(name: string): void {
    this.#before.get(name)?.dispose();
    this.#before.delete(name);
  }

  /** @param x [N, in] @returns [N, out] */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    const base = this.base_layer.forward(x);
    if (!this.rows) return this.#adapt(base, x, this.active);
    return (
      this.#atOnce(base, x, this.rows) ??
      computeByRows<[tf.Tensor2D, tf.Tensor2D], tf.Tensor2D>([base, x], this.rows, ([own, part], name) =>
        this.#adapt(own, part, name === BASE ? [] : [name]),
      )
    );
  }

  /** The change of the base weight, in the layer's own layout; the caller disposes it. */
  delta(name: string): tf.Tensor2D {
    return tf.tidy(() => {
      const A = this.lora_A[name]?.weight.value as unknown as tf.Tensor2D;
      const B = this.lora_B[name]?.weight.value as unknown as tf.Tensor2D;
      // The small factor is scaled, not the product: mostly by a power of two, which changes no rounding.
      const scaled = tf.mul(B, this.scaling[name] as number) as tf.Tensor2D;
      return isA(this.base_layer, Conv1D) ? matMul(A, scaled, true, true) : matMul(scaled, A); // [in, out] or [out, in]
    });
  }

  /** All that an adapter changes the weight by, DoRA's magnitude included; the caller disposes it. */
  change(name: string): tf.Tensor {
    const magnitude = this.lora_magnitude_vector[name];
    if (!magnitude) return this.delta(name);
    return tf.tidy(() => {
      const weight = (this.unmergedParameter('weight') as Parameter).value;
      const gain = tf.div(tf.reshape(magnitude.value, [-1]), this.#norm(name));
      return tf.sub(tf.mul(tf.add(weight, this.delta(name)), this.#alongOutputs(gain)), weight);
    });
  }

  /** The length of the base weight for each output; the caller disposes it. */
  baseLengths(): tf.Tensor1D {
    return lengths((this.unmergedParameter('weight') as Parameter).value, this.#axes);
  }

  protected fold(name: string): Record<string, tf.Tensor> {
    return tf.tidy(() => {
      const { weight, bias } = this.base_layer;
      const ownBias = this.lora_B[name]?.bias;
      if (ownBias && !bias) throw new Error('an adapter with lora_bias cannot be merged into a layer that has no bias');
      const magnitude = this.lora_magnitude_vector[name];
      let folded: tf.Tensor = tf.add(weight.value, this.delta(name));
      // The length is that of the weight without other merged adapters, as in the forward pass.
      if (magnitude) folded = tf.mul(folded, this.#alongOutputs(tf.div(magnitude.value, this.#norm(name))));
      return { weight: folded, ...(ownBias && bias && { bias: tf.add(bias.value, tf.mul(ownBias.value, this.scaling[name] as number)) }) };
    });
  }

  /** `base` [N, out] with what adapters make of x. */
  #adapt(base: tf.Tensor2D, x: tf.Tensor2D, names: readonly string[]): tf.Tensor2D {
    let y = base;
    for (const name of names) {
      const A = this.lora_A[name]?.weight;
      const B = this.lora_B[name];
      if (!A || !B || this.merged.includes(name)) continue;
      const rate = this.training ? (this.lora_dropout[name] as number) : 0;
      const scaling = this.scaling[name] as number;
      const input = dropout(x, rate, this.training);
      if (this.lora_magnitude_vector[name]) y = this.#addDora(name, input, base, y, rate > 0);
      else if (B.bias) y = add(y, scale(linear(linear(input, A), B.weight, B.bias), scaling));
      else y = lowRank(y, input, A, B.weight, scaling);
    }
    return y; // [N, out]
  }

  /** A mixed batch as two products of as many matrices as there are samples; nothing where their adapters are not alike. */
  #atOnce(base: tf.Tensor2D, x: tf.Tensor2D, rows: readonly string[]): tf.Tensor2D | undefined {
    const [rank] = rows.map((name) => this.lora_A[name]?.weight.shape[0]);
    const isAlike = (name: string) =>
      this.lora_A[name]?.weight.shape[0] === rank &&
      !this.lora_B[name]?.bias &&
      !this.lora_magnitude_vector[name] &&
      !this.merged.includes(name);
    const isMixed = new Set(rows).size > 1;
    if (rank === undefined || !isMixed || this.training || x.shape[0] % rows.length > 0 || !rows.every(isAlike)) return undefined;
    return tf.tidy(() => {
      const stacked = (weights: Record<string, { weight: Parameter }>) => {
        const all = rows.map((name) => (weights[name] as { weight: Parameter }).weight.value as unknown as tf.Tensor2D);
        return tf.reshape(tf.concat(all, 0), [rows.length, -1, (all[0] as tf.Tensor2D).shape[1]]) as tf.Tensor3D;
      };
      const samples = tf.reshape(x, [rows.length, -1, x.shape[1]]) as tf.Tensor3D; // [B, T, in]
      const scalings = tf.tensor3d(
        rows.map((name) => this.scaling[name] as number),
        [rows.length, 1, 1],
      );
      const thin = tf.mul(matMul(samples, stacked(this.lora_A), false, true), scalings) as tf.Tensor3D; // [B, T, r]
      return tf.add(base, tf.reshape(matMul(thin, stacked(this.lora_B), false, true), base.shape)) as tf.Tensor2D;
    });
  }

  #addDora(name: string, x: tf.Tensor2D, base: tf.Tensor2D, y: tf.Tensor2D, dropped: boolean): tf.Tensor2D {
    const A = (this.lora_A[name] as { weight: Parameter }).weight;
    const B = (this.lora_B[name] as { weight: Parameter }).weight;
    const magnitude = this.lora_magnitude_vector[name] as Parameter;
    const scaling = this.scaling[name] as number;
    const norm = this.#norm(name);
    // With dropout the rescaled part sees the dropped input, the base output does not.
    const product = isA(this.base_layer, Conv1D) ? linearTransposed : linear;
    const reference = dropped ? product(x, this.base_layer.weight, null) : base;
    const own = rescale(lowRank(reference, x, A, B, scaling), magnitude, norm, dropped ? null : this.base_layer.bias);
    return !dropped && y === base ? own : add(y, own, scale(reference, -1));
  }

  /** ‖W + s·B·A‖ for each output. */
  #norm(name: string): tf.Tensor1D {
    return tf.tidy(() => {
      const weight = (this.unmergedParameter('weight') as Parameter).value;
      return lengths(tf.add(weight, this.delta(name)), this.#axes);
    });
  }

  get #axes(): number[] {
    return [isA(this.base_layer, Conv1D) ? 0 : 1];
  }

  #alongOutputs(perOutput: tf.Tensor): tf.Tensor {
    return isA(this.base_layer, Conv1D) ? perOutput : tf.reshape(perOutput, [-1, 1]);
  }

  #takeOff(name: string, subtract: Float32Array, init: InitLoraWeights): void {
    const before = this.base_layer.weight;
    const { inFeatures, outFeatures } = this.base_layer;
    const reduced = new Parameter(before.shape, zeros, before.trainable);
    tf.tidy(() => {
      const matrix = tf.tensor2d(subtract, [outFeatures, inFeatures]);
      reduced.assign(tf.sub(before.value, this.#decomposedAsStored(init) ? matrix : tf.transpose(matrix)));
    });
    // A parameter of its own: what the weight was tied to keeps its values.
    this.#setWeight(reduced);
    this.#before.set(name, before);
  }

  #setWeight(weight: Parameter): void {
    (this.base_layer as { weight: Parameter }).weight = weight;
  }

  /** As in Python PEFT, OLoRA decomposes a Conv1D's weight as it is stored, [in, out]; all else is read as [out, in]. */
  #decomposedAsStored(init: InitLoraWeights): boolean {
    return init === 'olora' || !isA(this.base_layer, Conv1D);
  }

  #toDecompose(init: InitLoraWeights): ArrayLike<number> {
    const { weight, inFeatures, outFeatures } = this.base_layer;
    if (init === 'olora' && isA(this.base_layer, Conv1D) && inFeatures !== outFeatures)
      throw new Error(`init_lora_weights "olora" does not fit a Conv1D of ${inFeatures}×${outFeatures}: use "pissa" or true`);
    return tf.tidy(() => (this.#decomposedAsStored(init) ? weight.value : tf.transpose(weight.value)).dataSync());
  }
}
