import { kind, Linear, Module, normal, Parameter, tanh, zeros } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { SizedConfig } from './keyValues';

/** What a prefix is computed from: a table of its values as they are, or a narrow one that two linear layers widen. */
export class PrefixEncoder extends Module {
  static override readonly [kind] = 'prefix.PrefixEncoder';
  readonly embedding: { readonly weight: Parameter }; // [V, 2·L·token_dim], or [V, token_dim]
  /** Two linear layers, tanh between them. */
  readonly transform: { readonly 0: Linear; readonly 2: Linear } | null;
  /** [V, 2·L·token_dim] */
  readonly shape: readonly number[];

  /** @param trains whether there may be a projection: a prefix that is only used stands in its file */
  constructor(config: SizedConfig, trains: boolean) {
    super();
    const { num_virtual_tokens: V, token_dim: width, num_layers: L, encoder_hidden_size, init_weights } = config;
    const all = 2 * L * width;
    const isZero = init_weights === 'zero';
    const projects = config.prefix_projection && trains;
    this.shape = [V, all];
    this.embedding = { weight: new Parameter([V, projects ? width : all], isZero && !projects ? zeros : normal(0, 1)) };
    const hidden = encoder_hidden_size ?? width;
    const last = isZero ? new Linear(hidden, all, true, 0) : new Linear(hidden, all);
    this.transform = projects ? { 0: new Linear(width, hidden), 2: last } : null;
  }

  /** @returns [V, 2·L·token_dim] */
  forward(): tf.Tensor2D {
    const { embedding, transform } = this;
    const table = embedding.weight.value as unknown as tf.Tensor2D;
    return transform ? transform[2].forward(tanh(transform[0].forward(table))) : table;
  }
}
