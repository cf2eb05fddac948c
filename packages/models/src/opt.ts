/**
 * OPT (Zhang et al. 2022, https://arxiv.org/abs/2205.01068): decoder with learned positions, counted from the attention mask.
 * The form of opt-350m normalises after each layer's halves, and projects embeddings of another width.
 */
import {
  activation,
  add,
  attention,
  defaultGenerator,
  dropout,
  Embedding,
  type EmbeddingLayer,
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
import type { OptConfig } from './config';
import { withPast } from './shared/cache';
import {
  CausalLM,
  type Decoder,
  DecoderQuestionAnswering,
  DecoderSequenceClassifier,
  decoderOutput,
  vocabularyHead,
} from './shared/decoder';
import { classHead } from './shared/heads';
import { attendedPositions, attentionMask, type Needed, openStep, runLayer, type Step } from './shared/step';
import { TextModel } from './shared/TextModel';

/** The first rows of the table of positions: one that is not used, one for padding. */
const OFFSET = 2;

export class OPTAttention extends Module {
  static override readonly [kind] = 'OPTAttention';
  readonly q_proj: Layer;
  readonly k_proj: Layer;
  readonly v_proj: Layer;
  readonly out_proj: Layer;
  readonly heads: number;
  readonly scale: number;
  readonly dropout: number;

  constructor({ hidden_size: C, num_attention_heads: H, enable_bias: bias, init_std: std, attention_dropout }: OptConfig) {
    super();
    this.q_proj = new Linear(C, C, bias, std);
    this.k_proj = new Linear(C, C, bias, std);
    this.v_proj = new Linear(C, C, bias, std);
    this.out_proj = new Linear(C, C, bias, std);
    this.heads = H;
    this.scale = (C / H) ** -0.5;
    this.dropout = attention_dropout;
  }

  /** @param x [B·T, C] @param layer the place in the cache */
  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const split = (projection: Layer) => splitHeads(projection.forward(x), step, this.heads); // [B, H, T, D]
    const query = split(this.q_proj);
    const { key, value } = withPast(step, layer, split(this.k_proj), split(this.v_proj)); // [B, H, S, D]
    const { scale, dropout, training } = this;
    return this.out_proj.forward(attention({ query, key, value, scale, mask: step.mask, rows: step.rows, dropout, training }));
  }
}

export class OPTDecoderLayer extends Module {
  static override readonly [kind] = 'OPTDecoderLayer';
  readonly self_attn: OPTAttention;
  readonly self_attn_layer_norm: LayerNorm;
  readonly fc1: Layer;
  readonly fc2: Layer;
  readonly final_layer_norm: LayerNorm;
  readonly normsBefore: boolean;
  readonly act: string;
  readonly dropout: number;

  constructor(config: OptConfig) {
    super();
    const { hidden_size: C, ffn_dim, enable_bias: bias, init_std: std } = config;
    this.self_attn = new OPTAttention(config);
    this.self_attn_layer_norm = new LayerNorm(C);
    this.fc1 = new Linear(C, ffn_dim, bias, std);
    this.fc2 = new Linear(ffn_dim, C, bias, std);
    this.final_layer_norm = new LayerNorm(C);
    this.normsBefore = config.do_layer_norm_before;
    this.act = config.activation_function;
    this.dropout = config.dropout;
  }

  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const attended = this.half(x, this.self_attn_layer_norm, (input) => this.self_attn.forward(input, step, layer));
    return this.half(attended, this.final_layer_norm, (input) => this.fc2.forward(activation(this.act)(this.fc1.forward(input))));
  }

  private half(x: tf.Tensor2D, norm: LayerNorm, compute: (input: tf.Tensor2D) => tf.Tensor2D): tf.Tensor2D {
    const sum = add(x, dropout(compute(this.normsBefore ? norm.forward(x) : x), this.dropout, this.training));
    return this.normsBefore ? sum : norm.forward(sum);
  }
}

export class OPTDecoder extends Module {
  static override readonly [kind] = 'OPTDecoder';
  readonly embed_tokens: EmbeddingLayer;
  readonly embed_positions: EmbeddingLayer;
  readonly project_out: Layer | null;
  readonly project_in: Layer | null;
  readonly final_layer_norm: LayerNorm | null;
  readonly layers: OPTDecoderLayer[];
  readonly maxPositions: number;
  readonly layerdrop: number;

  constructor(config: OptConfig) {
    super();
    const { hidden_size: C, word_embed_proj_dim: width, max_position_embeddings: positions, init_std: std } = config;
    this.embed_tokens = new Embedding(config.vocab_size, width, config.pad_token_id, std);
    this.embed_positions = new Embedding(positions + OFFSET, C, null, std);
    this.project_out = width === C ? null : new Linear(C, width, false, std);
    this.project_in = width === C ? null : new Linear(width, C, false, std);
    this.final_layer_norm = config.do_layer_norm_before && !config._remove_final_layer_norm ? new LayerNorm(C) : null;
    this.layers = Array.from({ length: config.num_hidden_layers }, () => new OPTDecoderLayer(config));
    this.maxPositions = positions;
    this.layerdrop = config.layerdrop;
  }

  run(batch: TextBatch, needed?: Needed) {
    const { hidden: embedded, ids, step: opened } = openStep(batch, this.embed_tokens, needed);
    const positions = attendedPositions(batch, opened);
    const last = positions.reduce((max, position) => Math.max(max, position), 0);
    if (last >= this.maxPositions)
      throw new Error(`position ${last} is beyond the ${this.maxPositions} this model knows: shorten the input`);
    const mask = attentionMask(batch, opened, { causal: true });
    const step: Step = { ...opened, ...(mask && { mask }) };
    const rows = tf.tensor1d(
      positions.map((position) => position + OFFSET),
      'int32',
    );
    let hidden = add(this.project_in?.forward(embedded) ?? embedded, this.embed_positions.forward(rows)); // [B·T, C]
    this.layers.forEach((layer, i) => {
      const dropped = this.training && this.layerdrop > 0 && (defaultGenerator().uniform(1, 0, 1)[0] as number) < this.layerdrop;
      if (!dropped) hidden = runLayer(layer, hidden, step, i);
    });
    hidden = this.final_layer_norm?.forward(hidden) ?? hidden;
    return { hidden: this.project_out?.forward(hidden) ?? hidden, ids, step }; // [B·T, word_embed_proj_dim]
  }

  inputEmbeddings(): EmbeddingLayer {
    return this.embed_tokens;
  }
}

export class OPTModel extends TextModel implements Decoder {
  static override readonly [kind] = 'OPTModel';
  declare readonly config: OptConfig;
  readonly decoder: OPTDecoder;

  constructor(config: OptConfig) {
    super(config);
    this.decoder = new OPTDecoder(config);
  }

  run(batch: TextBatch, needed?: Needed) {
    return this.decoder.run(batch, needed);
  }

  forward(batch: TextBatch): ModelOutput {
    return decoderOutput(this, batch);
  }

  inputEmbeddings(): EmbeddingLayer {
    return this.decoder.embed_tokens;
  }
}

export class OPTForCausalLM extends CausalLM {
  static override readonly [kind] = 'OPTForCausalLM';
  readonly model: OPTModel;
  readonly lm_head: Layer;

  constructor(config: OptConfig) {
    super(config);
    this.model = new OPTModel(config);
    this.lm_head = vocabularyHead(
      this.model.inputEmbeddings() as Embedding,
      config.vocab_size,
      config.word_embed_proj_dim,
      config.tie_word_embeddings,
      config.init_std,
    );
  }

  protected get decoder(): Decoder {
    return this.model;
  }

  protected get head(): Layer {
    return this.lm_head;
  }
}

export class OPTForSequenceClassification extends DecoderSequenceClassifier {
  static override readonly [kind] = 'OPTForSequenceClassification';
  readonly model: OPTModel;
  readonly score: Layer;

  constructor(config: OptConfig) {
    super(config);
    this.model = new OPTModel(config);
    this.score = classHead(config, config.word_embed_proj_dim, false);
  }

  protected get decoder(): Decoder {
    return this.model;
  }
}

export class OPTForQuestionAnswering extends DecoderQuestionAnswering {
  static override readonly [kind] = 'OPTForQuestionAnswering';
  readonly model: OPTModel;
  readonly qa_outputs: Layer;

  constructor(config: OptConfig) {
    super(config);
    this.model = new OPTModel(config);
    this.qa_outputs = new Linear(config.word_embed_proj_dim, 2, true, config.init_std);
  }

  protected get decoder(): Decoder {
    return this.model;
  }
}
