import { add, dropout, Embedding, type EmbeddingLayer, kind, LayerNorm, Module, type TextBatch } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { type Matrix, toMatrix } from './ids';
import { atRows, type Needed, openStep, type Step } from './step';

export interface EncoderEmbeddingsConfig {
  vocab_size: number;
  hidden_size: number;
  max_position_embeddings: number;
  type_vocab_size: number;
  pad_token_id: number | null;
  hidden_dropout_prob: number;
  layer_norm_eps: number;
  initializer_range: number;
}

/** The sum of a token's, its position's and its type's vector, normalised: the input of BERT and RoBERTa. */
export class EncoderEmbeddings extends Module {
  static override readonly [kind] = 'EncoderEmbeddings';
  readonly word_embeddings: EmbeddingLayer;
  readonly position_embeddings: EmbeddingLayer;
  readonly token_type_embeddings: EmbeddingLayer;
  readonly LayerNorm: LayerNorm;
  readonly dropout: number;

  /** @param positionPadding the position that padding has, where it has one of its own */
  constructor(config: EncoderEmbeddingsConfig, positionPadding: number | null = null) {
    super();
    const { hidden_size: C, initializer_range: std } = config;
    this.word_embeddings = new Embedding(config.vocab_size, C, config.pad_token_id, std);
    this.position_embeddings = new Embedding(config.max_position_embeddings, C, positionPadding, std);
    this.token_type_embeddings = new Embedding(config.type_vocab_size, C, null, std);
    this.LayerNorm = new LayerNorm(C, config.layer_norm_eps);
    this.dropout = config.hidden_dropout_prob;
  }

  /** @param positionsOf the position of each token, [N] @param needed as `openStep` takes it */
  forward(
    batch: TextBatch,
    positionsOf: (batch: TextBatch, step: Step, ids?: Matrix) => Int32Array,
    needed?: Needed,
  ): { hidden: tf.Tensor2D; step: Step } {
    const { hidden: words, ids, step } = openStep(batch, this.word_embeddings, needed);
    const types = lookUpTypes(this.token_type_embeddings, batch, step);
    const positions = lookUpPositions(this.position_embeddings, positionsOf(batch, step, ids));
    return { hidden: dropout(this.LayerNorm.forward(add(words, types, positions)), this.dropout, this.training), step };
  }
}

/** The vectors of token types [N, C]; all of type 0 where the batch says nothing. Errors: a type that the model does not have. */
export function lookUpTypes(table: EmbeddingLayer, { token_type_ids }: TextBatch, step: Step): tf.Tensor2D {
  const types = token_type_ids ? toMatrix(token_type_ids, 'token_type_ids').values : new Int32Array(step.batch * step.length);
  const { numEmbeddings: count = Infinity } = table as { numEmbeddings?: number };
  const outside = types.find((type) => type < 0 || type >= count);
  if (outside !== undefined) throw new Error(`token_type_ids holds ${outside}, and this model has ${count} token types, the first being 0`);
  return table.forward(tf.tensor1d(atRows(types, step), 'int32'));
}

/** The vectors of positions [N, C]. Errors: a position beyond the table's last. */
export function lookUpPositions(table: EmbeddingLayer, positions: Int32Array): tf.Tensor2D {
  const { numEmbeddings: count = Infinity } = table as { numEmbeddings?: number };
  const outside = positions.find((position) => position < 0 || position >= count);
  if (outside !== undefined) throw new Error(`there is no position ${outside} in this model: it knows ${count}; shorten the input`);
  return table.forward(tf.tensor1d(positions, 'int32'));
}
