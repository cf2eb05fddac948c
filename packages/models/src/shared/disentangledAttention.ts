import {
  add,
  attention,
  concat,
  dropout,
  gatherRows,
  kind,
  type Layer,
  Linear,
  Module,
  multiply,
  relativeScores,
  scale,
  slice,
  splitHeads,
  spreadRows,
  transpose,
} from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { DebertaV2Config } from '../config';
import type { Distances } from './distances';
import type { Step } from './step';

/** A step with what is special here. */
export interface DistanceStep extends Step {
  /** 1 at a token, 0 at padding, [N, 1]; none where there is no padding. */
  tokens?: tf.Tensor2D;
  /** The same of all positions, [B, 1, T, 1]. */
  allTokens?: tf.Tensor4D;
  /** The distances between positions, where they score. */
  distances?: Distances;
}

/** Attention that scores content by content and, apart, the distance by query (`c2p`) and by key (`p2c`). */
export class DisentangledSelfAttention extends Module {
  static override readonly [kind] = 'DisentangledSelfAttention';
  readonly query_proj: Layer;
  readonly key_proj: Layer;
  readonly value_proj: Layer;
  readonly pos_key_proj: Layer | null;
  readonly pos_query_proj: Layer | null;
  readonly fromQuery: boolean;
  readonly fromKey: boolean;
  readonly heads: number;
  readonly scale: number;
  readonly dropout: number;
  readonly positionDropout: number;

  constructor(config: DebertaV2Config) {
    super();
    const { hidden_size: C, num_attention_heads: H, initializer_range: std, pos_att_type: kinds } = config;
    const ownKeys = config.relative_attention && !config.share_att_key;
    this.query_proj = new Linear(C, C, true, std);
    this.key_proj = new Linear(C, C, true, std);
    this.value_proj = new Linear(C, C, true, std);
    this.fromQuery = kinds.includes('c2p');
    this.fromKey = kinds.includes('p2c');
    this.pos_key_proj = ownKeys && this.fromQuery ? new Linear(C, C, true, std) : null;
    this.pos_query_proj = ownKeys && this.fromKey ? new Linear(C, C, true, std) : null;
    this.heads = H;
    // As many terms as are added up, so many times larger is the variance of scores.
    this.scale = ((C / H) * (1 + Number(this.fromQuery) + Number(this.fromKey))) ** -0.5;
    this.dropout = config.attention_probs_dropout_prob;
    this.positionDropout = config.hidden_dropout_prob;
  }

  forward(x: tf.Tensor2D, step: DistanceStep): tf.Tensor2D {
    // Padding sees nothing, so its scores have no gradient: they are zero before the mask makes them all equal.
    const asked = this.query_proj.forward(x); // [N, H·D]
    const query = step.tokens ? multiply(asked, step.tokens) : asked;
    const key = this.key_proj.forward(x); // [N, H·D]
    const heads = (y: tf.Tensor2D) => splitHeads(y, step, this.heads); // [B, H, T, D]
    return attention({
      query: heads(query),
      key: heads(key),
      value: heads(this.value_proj.forward(x)),
      scale: this.scale,
      bias: step.distances && this.#distanceScores(spreadRows(query, step), spreadRows(key, step), step, step.distances),
      mask: step.mask,
      rows: step.rows,
      dropout: this.dropout,
      training: this.training,
    });
  }

  /** @param query [B·T, H·D] @param key [B·T, H·D] @returns [B, H, T, T], nothing where distances do not score */
  #distanceScores(
    query: tf.Tensor2D,
    key: tf.Tensor2D,
    step: DistanceStep,
    { vectors, falling, rising }: Distances,
  ): tf.Tensor4D | undefined {
    const dropped = dropout(vectors, this.positionDropout, this.training);
    const scores: tf.Tensor4D[] = [];
    if (this.fromQuery) scores.push(this.#scores(query, this.pos_key_proj ?? this.key_proj, dropped, falling, step));
    if (this.fromKey) {
      const byKey = transpose(this.#scores(key, this.pos_query_proj ?? this.query_proj, dropped, rising, step), [0, 1, 3, 2]);
      scores.push(step.allTokens ? multiply(byKey, step.allTokens) : byKey);
    }
    return scores.length > 0 ? scale(add(...scores), this.scale) : undefined;
  }

  #scores(x: tf.Tensor2D, projection: Layer, vectors: tf.Tensor2D, order: number[], { batch, length }: Step): tf.Tensor4D {
    // Where the samples of a batch have adapters of their own, each has its own projection of the distances.
    if ((projection as { rows?: readonly string[] }).rows === undefined)
      return relativeScores(x, gatherRows(projection.forward(vectors), order), batch, this.heads);
    const [count, width] = vectors.shape;
    const samples = Array.from({ length: batch }, (_, b) => b);
    const projected = projection.forward(concat(Array<tf.Tensor2D>(batch).fill(vectors), 0)); // [B·R, C]
    return concat(
      samples.map((b) => {
        const table = gatherRows(slice(projected, [b * count, 0], [count, width]), order);
        return relativeScores(slice(x, [b * length, 0], [length, width]), table, 1, this.heads);
      }),
      0,
    );
  }
}
