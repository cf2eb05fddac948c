/**
 * GPT-NeoX (Black et al. 2022, https://arxiv.org/abs/2204.06745; Pythia): decoder that turns a part of each head by its position,
 * and whose attention and feed-forward layer may read the same input.
 */
import {
  activation,
  add,
  attention,
  dropout,
  Embedding,
  type EmbeddingLayer,
  kind,
  type Layer,
  LayerNorm,
  Linear,
  type ModelOutput,
  Module,
  rotary,
  splitHeads,
  type TextBatch,
} from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { GptNeoxConfig } from './config';
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
import { type RotaryStep, rotaryStep } from './shared/rotaryStep';
import { atOutputs, type Needed, openStep, runLayers } from './shared/step';
import { TextModel } from './shared/TextModel';

export class GPTNeoXAttention extends Module {
  static override readonly [kind] = 'GPTNeoXAttention';
  readonly query_key_value: Layer;
  readonly dense: Layer;
  readonly heads: number;
  readonly scale: number;
  readonly dropout: number;

  constructor({ hidden_size: C, num_attention_heads: H, attention_bias: bias, initializer_range: std, attention_dropout }: GptNeoxConfig) {
    super();
    this.query_key_value = new Linear(C, 3 * C, bias, std);
    this.dense = new Linear(C, C, bias, std);
    this.heads = H;
    this.scale = (C / H) ** -0.5;
    this.dropout = attention_dropout;
  }

  /** @param x [B·T, C] @param layer the place in the cache */
  forward(x: tf.Tensor2D, step: RotaryStep, layer: number): tf.Tensor2D {
    const [q, k, v] = fusedHeads(this.query_key_value.forward(x), this.heads); // [B·T, C] each
    const split = (t: tf.Tensor2D) => splitHeads(t, step, this.heads); // [B, H, T, D]
    const turned = (t: tf.Tensor2D) => split(rotary(t, step.cos, step.sin, this.heads));
    const { key, value } = withPast(step, layer, turned(k), split(v)); // [B, H, S, D]
    const { scale, dropout: rate, training } = this;
    return this.dense.forward(
      attention({ query: turned(q), key, value, scale, mask: step.mask, rows: step.outputs ?? step.rows, dropout: rate, training }),
    );
  }
}

export class GPTNeoXMLP extends Module {
  static override readonly [kind] = 'GPTNeoXMLP';
  readonly dense_h_to_4h: Layer;
  readonly dense_4h_to_h: Layer;
  readonly act: string;

  constructor({ hidden_size: C, intermediate_size, hidden_act, initializer_range: std }: GptNeoxConfig) {
    super();
    this.dense_h_to_4h = new Linear(C, intermediate_size, true, std);
    this.dense_4h_to_h = new Linear(intermediate_size, C, true, std);
    this.act = hidden_act;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return this.dense_4h_to_h.forward(activation(this.act)(this.dense_h_to_4h.forward(x)));
  }
}

export class GPTNeoXLayer extends Module {
  static override readonly [kind] = 'GPTNeoXLayer';
  readonly input_layernorm: LayerNorm;
  readonly post_attention_layernorm: LayerNorm;
  readonly attention: GPTNeoXAttention;
  readonly mlp: GPTNeoXMLP;
  readonly parallel: boolean;
  readonly dropout: number;

  constructor(config: GptNeoxConfig) {
    super();
    this.input_layernorm = new LayerNorm(config.hidden_size, config.layer_norm_eps);
    this.post_attention_layernorm = new LayerNorm(config.hidden_size, config.layer_norm_eps);
    this.attention = new GPTNeoXAttention(config);
    this.mlp = new GPTNeoXMLP(config);
    this.parallel = config.use_parallel_residual;
    this.dropout = config.hidden_dropout;
  }

  forward(x: tf.Tensor2D, step: RotaryStep, layer: number): tf.Tensor2D {
    const drop = (t: tf.Tensor2D) => dropout(t, this.dropout, this.training);
    const before = atOutputs(x, step);
    const attended = add(before, drop(this.attention.forward(this.input_layernorm.forward(x), step, layer)));
    return add(attended, drop(this.mlp.forward(this.post_attention_layernorm.forward(this.parallel ? before : attended))));
  }
}

export class GPTNeoXModel extends TextModel implements Decoder {
  static override readonly [kind] = 'GPTNeoXModel';
  declare readonly config: GptNeoxConfig;
  readonly embed_in: EmbeddingLayer;
  readonly layers: GPTNeoXLayer[];
  readonly final_layer_norm: LayerNorm;

  constructor(config: GptNeoxConfig) {
    super(config);
    this.embed_in = new Embedding(config.vocab_size, config.hidden_size, null, config.initializer_range);
    this.layers = Array.from({ length: config.num_hidden_layers }, () => new GPTNeoXLayer(config));
    this.final_layer_norm = new LayerNorm(config.hidden_size, config.layer_norm_eps);
  }

  run(batch: TextBatch, needed?: Needed) {
    const { hidden: embedded, ids, step: opened } = openStep(batch, this.embed_in, needed);
    const { hidden_size, num_attention_heads: heads, hidden_dropout } = this.config;
    const shared = rotaryStep(batch, opened, { ...this.config, head_dim: hidden_size / heads });
    const { hidden, step } = runLayers(this.layers, dropout(embedded, hidden_dropout, this.training), shared); // [N, C]
    return { hidden: this.final_layer_norm.forward(hidden), ids, step };
  }

  forward(batch: TextBatch): ModelOutput {
    return decoderOutput(this, batch);
  }

  inputEmbeddings(): EmbeddingLayer {
    return this.embed_in;
  }
}

export class GPTNeoXForCausalLM extends CausalLM {
  static override readonly [kind] = 'GPTNeoXForCausalLM';
  readonly gpt_neox: GPTNeoXModel;
  readonly embed_out: Layer;

  constructor(config: GptNeoxConfig) {
    super(config);
    this.gpt_neox = new GPTNeoXModel(config);
    this.embed_out = vocabularyHead(
      this.gpt_neox.embed_in as Embedding,
      config.vocab_size,
      config.hidden_size,
      config.tie_word_embeddings,
      config.initializer_range,
    );
  }

  protected get decoder(): Decoder {
    return this.gpt_neox;
  }

  protected get head(): Layer {
    return this.embed_out;
  }
}

export class GPTNeoXForSequenceClassification extends DecoderSequenceClassifier {
  static override readonly [kind] = 'GPTNeoXForSequenceClassification';
  readonly gpt_neox: GPTNeoXModel;
  readonly score: Layer;

  constructor(config: GptNeoxConfig) {
    super(config);
    this.gpt_neox = new GPTNeoXModel(config);
    this.score = classHead(config, config.hidden_size, false);
  }

  protected get decoder(): Decoder {
    return this.gpt_neox;
  }
}

export class GPTNeoXForTokenClassification extends DecoderTokenClassifier {
  static override readonly [kind] = 'GPTNeoXForTokenClassification';
  readonly gpt_neox: GPTNeoXModel;
  readonly classifier: Layer;

  constructor(config: GptNeoxConfig) {
    super(config);
    this.gpt_neox = new GPTNeoXModel(config);
    this.classifier = classHead(config, config.hidden_size, true);
  }

  protected get decoder(): Decoder {
    return this.gpt_neox;
  }

  protected get head(): Layer {
    return this.classifier;
  }
}

export class GPTNeoXForQuestionAnswering extends DecoderQuestionAnswering {
  static override readonly [kind] = 'GPTNeoXForQuestionAnswering';
  readonly gpt_neox: GPTNeoXModel;
  readonly qa_outputs: Layer;

  constructor(config: GptNeoxConfig) {
    super(config);
    this.gpt_neox = new GPTNeoXModel(config);
    this.qa_outputs = new Linear(config.hidden_size, 2, true, config.initializer_range);
  }

  protected get decoder(): Decoder {
    return this.gpt_neox;
  }
}
