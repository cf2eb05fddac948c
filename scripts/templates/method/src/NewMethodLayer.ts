import { AdapterLayer, BASE, computeByRows, constant, kind, type Linear, multiply, Parameter } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

/** A linear layer whose output is multiplied by one trained number an adapter. */
export class NewMethodLayer extends AdapterLayer<Linear> {
  static override readonly [kind] = 'newMethod.Layer';
  /** By the adapter's name; the property's name is the tensor's in the file. */
  readonly new_method_scale: Record<string, Parameter> = {}; // [1]

  add(name: string, initScale: number): void {
    this.new_method_scale[name] = new Parameter([1], constant(initScale));
  }

  /** @param x [N, in] @returns [N, out] */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    if (this.rows) return computeByRows(x, this.rows, (part, name) => this.compute(part, name === BASE ? [] : [name]));
    return this.compute(x, this.active);
  }

  /** The base layer's parameters with one adapter in them: this is all that merging needs. */
  protected fold(name: string): Record<string, tf.Tensor> {
    const { weight, bias } = this.base_layer;
    const scale = (this.new_method_scale[name] as Parameter).value;
    return { weight: tf.mul(weight.value, scale), ...(bias && { bias: tf.mul(bias.value, scale) }) };
  }

  private compute(x: tf.Tensor2D, names: readonly string[]): tf.Tensor2D {
    let y = this.base_layer.forward(x); // [N, out]
    for (const name of names) {
      const scale = this.new_method_scale[name];
      // Operations of core have gradients; tfjs-core's own have none.
      if (scale && !this.merged.includes(name)) y = multiply(y, scale.value);
    }
    return y;
  }
}
