import { AdapterLayer, BASE, Conv1D, computeByRows, constant, dropout, isA, kind, type Linear, matMul, Parameter, zeros } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { addVera } from './addVera';
import type { VeraConfig } from './config';
import type { Projections } from './Projections';

/** A linear layer with VeRA adapters: two trained vectors each. */
export class VeraLayer extends AdapterLayer<Linear | Conv1D> {
  static override readonly [kind] = 'vera.Layer';
  readonly vera_lambda_b: Record<string, Parameter> = {}; // [out]
  readonly vera_lambda_d: Record<string, Parameter> = {}; // [r]
  /** Not a plain object: what lies in a Map is no part of the model. */
  readonly shared = new Map<string, { projections: Projections; dropout: number }>();

  add(name: string, config: VeraConfig, projections: Projections): void {
    this.vera_lambda_b[name] = new Parameter([this.base_layer.outFeatures], zeros);
    this.vera_lambda_d[name] = new Parameter([config.r], constant(config.d_initial));
    this.shared.set(name, { projections, dropout: config.vera_dropout });
  }

  /** @param x [N, in] @returns [N, out] */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    if (this.rows) return computeByRows(x, this.rows, (part, name) => this.compute(part, name === BASE ? [] : [name]));
    return this.compute(x, this.active);
  }

  /** The weight with Λb·B·Λd·A added. */
  protected fold(name: string): Record<string, tf.Tensor> {
    return tf.tidy(() => {
      const { weight, inFeatures, outFeatures } = this.base_layer;
      const [A, B] = (this.shared.get(name) as { projections: Projections }).projections.corners(inFeatures, outFeatures);
      const d = tf.reshape((this.vera_lambda_d[name] as Parameter).value, [-1, 1]);
      const b = tf.reshape((this.vera_lambda_b[name] as Parameter).value, [-1, 1]);
      const change = tf.mul(matMul(B, tf.mul(A, d) as tf.Tensor2D), b); // [out, in]
      return { weight: tf.add(weight.value, isA(this.base_layer, Conv1D) ? tf.transpose(change) : change) };
    });
  }

  private compute(x: tf.Tensor2D, names: readonly string[]): tf.Tensor2D {
    let y = this.base_layer.forward(x); // [N, out]
    for (const name of names) {
      const shared = this.shared.get(name);
      if (!shared || this.merged.includes(name)) continue;
      const d = (this.vera_lambda_d[name] as Parameter).value;
      const b = (this.vera_lambda_b[name] as Parameter).value;
      y = addVera(y, { x: dropout(x, shared.dropout, this.training), d, b }, shared.projections);
    }
    return y;
  }
}
