import { AdapterLayer, differentiable, type Embedding, kind, type Linear, Module, matMul, Parameter } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

/** Rows of an embedding, each adapter its own, that stand in the place of the table's. */
export class TrainableTokensLayer extends AdapterLayer<Embedding> {
  static override readonly [kind] = 'TrainableTokensLayer';
  readonly trainable_tokens_delta: Record<string, Parameter> = {}; // [tokens, C]: the rows themselves, not a difference
  readonly token_indices: Record<string, readonly number[]> = {};

  add(name: string, indices: readonly number[]): void {
    const { weight, numEmbeddings, embeddingDim } = this.base_layer;
    const outside = indices.filter((index) => index >= numEmbeddings);
    if (outside.length > 0)
      throw new Error(`trainable_token_indices ${outside.join(', ')} are outside the vocabulary of ${numEmbeddings} tokens`);
    const overlap = this.adapters.find((other) => this.token_indices[other]?.some((index) => indices.includes(index)));
    if (overlap !== undefined)
      throw new Error(`adapter "${overlap}" trains some of the same tokens: trainable_token_indices of adapters on one model must differ`);
    const rows = new Parameter([indices.length, embeddingDim]);
    if (weight.ready) {
      const values = tf.tidy(() => tf.keep(tf.gather(weight.value, tf.tensor1d([...indices], 'int32'))));
      rows.assign(values);
      values.dispose();
    }
    this.trainable_tokens_delta[name] = rows;
    this.token_indices[name] = [...indices];
  }

  /** @param ids [N] int32 @returns [N, C] */
  forward(ids: tf.Tensor1D): tf.Tensor2D {
    if (this.rows) throw new Error('adapter_names cannot be used with trainable_token_indices');
    let y = this.base_layer.forward(ids);
    for (const name of this.#computing)
      y = replaceRows(y, ids, this.trainable_tokens_delta[name] as Parameter, this.token_indices[name] as readonly number[]);
    return y;
  }

  /** The logits of a head that is tied to the table. @param x [N, C] @param logits [N, tokens] as the head gives them */
  replaceLogits(x: tf.Tensor2D, logits: tf.Tensor2D): tf.Tensor2D {
    let y = logits;
    // Merged rows stand in the table, but not in the head's weight.
    for (const name of this.active)
      if (Object.hasOwn(this.trainable_tokens_delta, name))
        y = replaceColumns(y, x, this.trainable_tokens_delta[name] as Parameter, this.token_indices[name] as readonly number[]);
    return y;
  }

  protected fold(name: string): Record<string, tf.Tensor> {
    return tf.tidy(() => {
      const table = this.base_layer.weight.value as unknown as tf.Tensor2D;
      const { slots, mask } = slotsOf(this.token_indices[name] as readonly number[], table.shape[0]);
      const rows = tf.gather(this.trainable_tokens_delta[name]?.value as tf.Tensor, slots);
      return { weight: tf.where(tf.tile(tf.expandDims(mask, 1), [1, table.shape[1]]), rows, table) };
    });
  }

  get #computing(): string[] {
    return this.active.filter((name) => !this.merged.includes(name) && Object.hasOwn(this.trainable_tokens_delta, name));
  }
}

/** What stands in the model where the embedding stood. */
export class TrainableTokensWrapper extends Module {
  static override readonly [kind] = 'TrainableTokensWrapper';
  readonly token_adapter: TrainableTokensLayer;

  constructor(base: Embedding) {
    super();
    this.token_adapter = new TrainableTokensLayer(base);
  }

  forward(ids: tf.Tensor1D): tf.Tensor2D {
    return this.token_adapter.forward(ids);
  }
}

/** What stands in the place of a head tied to that embedding: its rows follow the trained ones. */
export class TiedTokensHead extends Module {
  static override readonly [kind] = 'TiedTokensHead';
  readonly base_layer: Linear;
  readonly #tokens: TrainableTokensLayer;

  constructor(base: Linear, tokens: TrainableTokensLayer) {
    super();
    this.base_layer = base;
    this.#tokens = tokens;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return this.#tokens.replaceLogits(x, this.base_layer.forward(x));
  }
}

/** For each of `count` tokens its place among `indices` (0 where it has none), and whether it has one. */
function slotsOf(indices: readonly number[], count: number): { slots: tf.Tensor1D; mask: tf.Tensor1D } {
  const slots = new Int32Array(count);
  const mask = new Uint8Array(count);
  indices.forEach((index, slot) => {
    slots[index] = slot;
    mask[index] = 1;
  });
  return { slots: tf.tensor1d(slots, 'int32'), mask: tf.tensor1d(mask, 'bool') };
}

/** `y` with the rows of the named tokens replaced. */
function replaceRows(y: tf.Tensor2D, ids: tf.Tensor1D, rows: Parameter, indices: readonly number[]): tf.Tensor2D {
  const [n, width] = rows.shape as [number, number];
  const inputs = { y, rows: rows.value };
  return differentiable<Record<string, tf.Tensor>, tf.Tensor2D>(inputs, {
    forward: (save) => {
      // [N, n]: which of the trained tokens each id is.
      const hit = tf.cast(tf.equal(tf.expandDims(ids, 1), tf.tensor2d([...indices], [1, n], 'int32')), 'float32') as tf.Tensor2D;
      const miss = tf.sub(1, tf.sum(hit, 1, true)); // [N, 1]
      save([hit, miss]);
      return tf.add(tf.mul(y, miss), tf.matMul(hit, rows.value as unknown as tf.Tensor2D)); // [N, C]
    },
    backward: (dy, [hit, miss]) => ({
      y: () => tf.mul(dy, miss as tf.Tensor),
      rows: () => tf.reshape(matMul(hit as tf.Tensor2D, dy, true), [n, width]),
    }),
  });
}

/** `logits` with the columns of the named tokens computed from the trained rows. */
function replaceColumns(logits: tf.Tensor2D, x: tf.Tensor2D, rows: Parameter, indices: readonly number[]): tf.Tensor2D {
  const count = logits.shape[1];
  const place = () =>
    tf.cast(
      tf.equal(tf.expandDims(tf.tensor1d([...indices], 'int32'), 1), tf.expandDims(tf.range(0, count, 1, 'int32'), 0)),
      'float32',
    ) as tf.Tensor2D; // [n, tokens]
  const table = rows.value as unknown as tf.Tensor2D;
  return differentiable<Record<string, tf.Tensor>, tf.Tensor2D>(
    { logits, x, rows: rows.value },
    {
      forward: (save) => {
        const hit = place();
        const miss = tf.sub(1, tf.sum(hit, 0, true)); // [1, tokens]
        save([hit, miss, x]);
        return tf.add(tf.mul(logits, miss), tf.matMul(matMul(x, table, false, true), hit));
      },
      backward: (dy, [hit, miss, saved]) => {
        const own = () => matMul(dy, hit as tf.Tensor2D, false, true); // [N, n]
        return {
          logits: () => tf.mul(dy, miss as tf.Tensor),
          x: () => tf.matMul(own(), table),
          rows: () => matMul(own(), saved as tf.Tensor2D, true),
        };
      },
    },
  );
}
