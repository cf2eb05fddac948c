import { AdapterLayer, add, attention, computeByRows, kind, multiply, normal, Parameter, reshape, splitHeads, zeros } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { type Attention, hiddenSize, keysAndValues, project } from './Attention';

/** An attention module whose positions also attend to learned prompts. */
export class AdaptedAttention extends AdapterLayer<Attention> {
  static override readonly [kind] = 'llamaAdapter.Attention';
  readonly adaption_gate: Record<string, Parameter> = {}; // [1]
  readonly adaption_prompt: Record<string, Parameter> = {}; // [1, V, C]

  add(name: string, length: number): void {
    this.adaption_gate[name] = new Parameter([1], zeros);
    this.adaption_prompt[name] = new Parameter([1, length, hiddenSize(this.base_layer)], normal(0, 1));
  }

  /** @param x [B·T, C] @param step and all else: the attention's own arguments @returns [B·T, C] */
  forward(x: tf.Tensor2D, step: unknown, ...rest: unknown[]): tf.Tensor2D {
    const attended = this.base_layer.forward(x, step, ...rest);
    const names = (this.rows ?? this.active).filter((name) => name in this.adaption_gate);
    if (names.length === 0) return attended;
    const queries = this.base_layer.queries(x, step); // [B·T, H·D]
    if (!this.rows) return add(attended, ...names.map((name) => this.attend(queries, name)));
    const own = (part: tf.Tensor2D, name: string) =>
      name in this.adaption_gate ? this.attend(part, name) : tf.zeros<tf.Rank.R2>([part.shape[0], x.shape[1]]);
    return add(attended, computeByRows(queries, this.rows, own));
  }

  protected fold(): never {
    throw new Error('prompts depend on the input: they cannot be merged into weights');
  }

  private attend(queries: tf.Tensor2D, name: string): tf.Tensor2D {
    const { base_layer: base } = this;
    const prompt = this.adaption_prompt[name] as Parameter;
    const [, length, width] = prompt.shape as [number, number, number];
    // All rows see all prompts, so the whole batch is one sequence.
    const query = splitHeads(queries, 1, base.heads); // [1, H, B·T, D]
    const found = attention({ query, ...keysAndValues(base, reshape(prompt.value, [length, width])), scale: query.shape[3] ** -0.5 }); // [B·T, H·D]
    return project(base, multiply(found, (this.adaption_gate[name] as Parameter).value)); // [B·T, C]
  }
}
