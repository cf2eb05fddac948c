import { concat, dropout, Embedding, kind, Linear, Module, Parameter, relu, uniform } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { PromptEncoderConfig } from './config';
import { type LstmWeights, lstm } from './lstm';

/** A bidirectional LSTM, its weights named as PyTorch's. */
class LstmHead extends Module {
  static override readonly [kind] = 'LstmHead';
  readonly #directions: { weights: LstmWeights; reverse: boolean }[][];
  readonly #dropout: number;

  constructor(width: number, hidden: number, layers: number, rate: number) {
    super();
    const start = uniform(-1 / Math.sqrt(hidden), 1 / Math.sqrt(hidden));
    this.#dropout = rate;
    this.#directions = Array.from({ length: layers }, (_, layer) =>
      [false, true].map((reverse) => {
        const weights = {
          weight_ih: new Parameter([4 * hidden, layer === 0 ? width : 2 * hidden], start),
          weight_hh: new Parameter([4 * hidden, hidden], start),
          bias_ih: new Parameter([4 * hidden], start),
          bias_hh: new Parameter([4 * hidden], start),
        };
        for (const [name, parameter] of Object.entries(weights))
          (this as unknown as Record<string, Parameter>)[`${name}_l${layer}${reverse ? '_reverse' : ''}`] = parameter;
        return { weights, reverse };
      }),
    );
  }

  /** @param x [T, in] @returns [T, 2·H] */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    return this.#directions.reduce(
      (input, directions, layer) =>
        concat(
          directions.map(({ weights, reverse }) => lstm(dropout(input, layer === 0 ? 0 : this.#dropout, this.training), weights, reverse)),
          1,
        ),
      x,
    );
  }
}

/** Makes the learned tokens of its embedding by a small network; without one the embedding is the prompt. */
export class PromptEncoder extends Module {
  static override readonly [kind] = 'PromptEncoder';
  readonly embedding: Embedding;
  readonly lstm_head: LstmHead | null = null;
  /** Linear layers with a ReLU between them, by PyTorch's places. */
  readonly mlp_head: Readonly<Record<string, Linear>> = {};

  /** @param rows number of learned tokens of all submodules */
  constructor(rows: number, width: number, config: PromptEncoderConfig, inference: boolean) {
    super();
    this.embedding = new Embedding(rows, width);
    if (inference) return;
    const hidden = config.encoder_hidden_size ?? width;
    if (config.encoder_reparameterization_type === 'LSTM') {
      this.lstm_head = new LstmHead(width, hidden, config.encoder_num_layers, config.encoder_dropout);
      this.mlp_head = { 0: new Linear(2 * hidden, 2 * hidden), 2: new Linear(2 * hidden, width) };
    } else this.mlp_head = { 0: new Linear(width, hidden), 2: new Linear(hidden, hidden), 4: new Linear(hidden, width) };
  }

  /** Whether there is a network. */
  get reparameterized(): boolean {
    return Object.keys(this.mlp_head).length > 0;
  }

  /** @returns [rows, width] */
  forward(): tf.Tensor2D {
    const rows = this.embedding.weight.value as unknown as tf.Tensor2D;
    return Object.values(this.mlp_head).reduce(
      (x, layer, i) => layer.forward(i === 0 ? x : relu(x)),
      this.lstm_head ? this.lstm_head.forward(rows) : rows,
    );
  }
}
