/**
 * BLOOM (BigScience 2022, https://arxiv.org/abs/2211.05100): decoder without positions in its embeddings; attention prefers what
 * is near by linear biases, and queries, keys and values come of one projection.
 */
import {
  add,
  attention,
  dropout,
  Embedding,
  type EmbeddingLayer,
  geluTanh,
  kind,
  type Layer,
  LayerNorm,
  Linear,
  type ModelOutput,
  Module,
  splitHeads,
  type TextBatch,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { BloomConfig } from './config';
import { alibi } from './shared/alibi';
import { withPast } from './shared/cache';
import {
  CausalLM,
  type Decoder,
  DecoderQuestionAnswering,
  DecoderSequenceClassifier,
  DecoderTokenClassifier,
  decoderOutput,
  vocabularyHead,
} from './shared/decoder';
import { fusedHeads } from './shared/fusedHeads';
import { classHead } from './shared/heads';
import { atOutputs, attentionMask, type Needed, openStep, runLayers, type Step } from './shared/step';
import { TextModel } from './shared/TextModel';

export class BloomAttention extends Module {
  static override readonly [kind] = 'BloomAttention';
  readonly query_key_value: Layer;
  readonly dense: Layer;
  readonly heads: number;
  readonly scale: number;
  readonly dropout: number;
  readonly hiddenDropout: number;

  constructor({ hidden_size: C, n_head: H, initializer_range: std, attention_dropout, hidden_dropout }: BloomConfig) {
    super();
    this.query_key_value = new Linear(C, 3 * C, true, std);
    this.dense = new Linear(C, C, true, std);
    this.heads = H;
    this.scale = (C / H) ** -0.5;
    this.dropout = attention_dropout;
    this.hiddenDropout = hidden_dropout;
  }

  /** @param x [B·T, C] @param layer the place in the cache */
  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const [q, k, v] = fusedHeads(this.query_key_value.forward(x), this.heads); // [B·T, C] each
    const split = (t: tf.Tensor2D) => splitHeads(t, step, this.heads); // [B, H, T, D]
    const { key, value } = withPast(step, layer, split(k), split(v)); // [B, H, S, D]
    const { scale, dropout: rate, training } = this;
    const out = attention({
      query: split(q),
      key,
      value,
      scale,
      mask: step.mask,
      rows: step.outputs ?? step.rows,
      dropout: rate,
      training,
    }); // [B·T, C]
    return dropout(this.dense.forward(out), this.hiddenDropout, training);
  }
}

export class BloomMLP extends Module {
  static override readonly [kind] = 'BloomMLP';
  readonly dense_h_to_4h: Layer;
  readonly dense_4h_to_h: Layer;
  readonly dropout: number;

  constructor({ hidden_size: C, initializer_range: std, hidden_dropout }: BloomConfig) {
    super();
    this.dense_h_to_4h = new Linear(C, 4 * C, true, std);
    this.dense_4h_to_h = new Linear(4 * C, C, true, std);
    this.dropout = hidden_dropout;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return dropout(this.dense_4h_to_h.forward(geluTanh(this.dense_h_to_4h.forward(x))), this.dropout, this.training);
  }
}

export class BloomBlock extends Module {
  static override readonly [kind] = 'BloomBlock';
  readonly input_layernorm: LayerNorm;
  readonly self_attention: BloomAttention;
  readonly post_attention_layernorm: LayerNorm;
  readonly mlp: BloomMLP;
  /** Whether what is normalised, not what came in, is added to what a half computes. */
  readonly addsNormal: boolean;

  constructor(config: BloomConfig) {
    super();
    this.input_layernorm = new LayerNorm(config.hidden_size, config.layer_norm_epsilon);
    this.self_attention = new BloomAttention(config);
    this.post_attention_layernorm = new LayerNorm(config.hidden_size, config.layer_norm_epsilon);
    this.mlp = new BloomMLP(config);
    this.addsNormal = config.apply_residual_connection_post_layernorm;
  }

  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const normal = this.input_layernorm.forward(x);
    const attended = add(atOutputs(this.addsNormal ? normal : x, step), this.self_attention.forward(normal, step, layer));
    const again = this.post_attention_layernorm.forward(attended);
    return add(this.addsNormal ? again : attended, this.mlp.forward(again));
  }
}

export class BloomModel extends TextModel implements Decoder {
  static override readonly [kind] = 'BloomModel';
  declare readonly config: BloomConfig;
  readonly word_embeddings: EmbeddingLayer;
  readonly word_embeddings_layernorm: LayerNorm;
  readonly h: BloomBlock[];
  readonly ln_f: LayerNorm;

  constructor(config: BloomConfig) {
    super(config);
    this.word_embeddings = new Embedding(config.vocab_size, config.hidden_size, null, config.initializer_range);
    this.word_embeddings_layernorm = new LayerNorm(config.hidden_size, config.layer_norm_epsilon);
    this.h = Array.from({ length: config.n_layer }, () => new BloomBlock(config));
    this.ln_f = new LayerNorm(config.hidden_size, config.layer_norm_epsilon);
  }

  run(batch: TextBatch, needed?: Needed) {
    const { hidden: embedded, ids, step: opened } = openStep(batch, this.word_embeddings, needed);
    const hides = attentionMask(batch, opened, { causal: true }); // [B or 1, 1, T, S]
    const biases = alibi(batch, opened, this.config.n_head); // [B or 1, H, 1, S]
    const normal = this.word_embeddings_layernorm.forward(embedded); // [N, C]
    const { hidden, step } = runLayers(this.h, normal, { ...opened, mask: hides ? tf.add(biases, hides) : biases });
    return { hidden: this.ln_f.forward(hidden), ids, step };
  }

  forward(batch: TextBatch): ModelOutput {
    return decoderOutput(this, batch);
  }

  inputEmbeddings(): EmbeddingLayer {
    return this.word_embeddings;
  }
}

export class BloomForCausalLM extends CausalLM {
  static override readonly [kind] = 'BloomForCausalLM';
  readonly transformer: BloomModel;
  readonly lm_head: Layer;

  constructor(config: BloomConfig) {
    super(config);
    this.transformer = new BloomModel(config);
    this.lm_head = vocabularyHead(
      this.transformer.word_embeddings as Embedding,
      config.vocab_size,
      config.hidden_size,
      config.tie_word_embeddings,
      config.initializer_range,
    );
  }

  protected get decoder(): Decoder {
    return this.transformer;
  }

  protected get head(): Layer {
    return this.lm_head;
  }
}

export class BloomForSequenceClassification extends DecoderSequenceClassifier {
  static override readonly [kind] = 'BloomForSequenceClassification';
  readonly transformer: BloomModel;
  readonly score: Layer;

  constructor(config: BloomConfig) {
    super(config);
    this.transformer = new BloomModel(config);
    this.score = classHead(config, config.hidden_size, false);
  }

  protected get decoder(): Decoder {
    return this.transformer;
  }
}

export class BloomForTokenClassification extends DecoderTokenClassifier {
  static override readonly [kind] = 'BloomForTokenClassification';
  readonly transformer: BloomModel;
  readonly classifier: Layer;

  constructor(config: BloomConfig) {
    super(config);
    this.transformer = new BloomModel(config);
    this.classifier = classHead(config, config.hidden_size, true);
  }

  protected get decoder(): Decoder {
    return this.transformer;
  }

  protected get head(): Layer {
    return this.classifier;
  }
}

export class BloomForQuestionAnswering extends DecoderQuestionAnswering {
  static override readonly [kind] = 'BloomForQuestionAnswering';
  readonly transformer: BloomModel;
  readonly qa_outputs: Layer;

  constructor(config: BloomConfig) {
    super(config);
    this.transformer = new BloomModel(config);
    this.qa_outputs = new Linear(config.hidden_size, 2, true, config.initializer_range);
  }

  protected get decoder(): Decoder {
    return this.transformer;
  }
}
