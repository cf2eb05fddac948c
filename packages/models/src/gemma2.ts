/**
 * Gemma 2 (Gemma Team 2024, https://arxiv.org/abs/2408.00118): decoder with norms before and after each half of a layer, every
 * other layer with a sliding window, and bounds on attention scores and logits.
 */
import {
  activation,
  add,
  attention,
  Embedding,
  type EmbeddingLayer,
  kind,
  type Layer,
  Linear,
  type ModelOutput,
  Module,
  multiply,
  RMSNorm,
  rotary,
  scale,
  splitHeads,
  type TextBatch,
} from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { Gemma2Config } from './config';
import { withPast } from './shared/cache';
import { CausalLM, type Decoder, DecoderSequenceClassifier, DecoderTokenClassifier, decoderOutput, vocabularyHead } from './shared/decoder';
import { classHead } from './shared/heads';
import { type RotaryStep, rotaryStep } from './shared/rotaryStep';
import { atOutputs, type Needed, openStep, runLayers } from './shared/step';
import { TextModel } from './shared/TextModel';

/** Gemma's norms multiply with 1 + weight. */
const norm = ({ hidden_size, rms_norm_eps }: Gemma2Config) => new RMSNorm(hidden_size, rms_norm_eps, 1);

export class Gemma2Attention extends Module {
  static override readonly [kind] = 'Gemma2Attention';
  readonly q_proj: Layer;
  readonly k_proj: Layer;
  readonly v_proj: Layer;
  readonly o_proj: Layer;
  readonly heads: number;
  readonly kvHeads: number;
  readonly scale: number;
  readonly softcap: number | undefined;
  readonly slides: boolean;
  readonly dropout: number;

  constructor(config: Gemma2Config, layer: number) {
    super();
    const { hidden_size: C, num_attention_heads: H, num_key_value_heads: kvH, head_dim: D } = config;
    const { attention_bias: bias, initializer_range: std } = config;
    this.q_proj = new Linear(C, H * D, bias, std);
    this.k_proj = new Linear(C, kvH * D, bias, std);
    this.v_proj = new Linear(C, kvH * D, bias, std);
    this.o_proj = new Linear(H * D, C, bias, std);
    this.heads = H;
    this.kvHeads = kvH;
    this.scale = config.query_pre_attn_scalar ** -0.5;
    this.softcap = config.attn_logit_softcapping ?? undefined;
    this.slides = config.layer_types[layer] === 'sliding_attention';
    this.dropout = config.attention_dropout;
  }

  /** @param x [B·T, C] @param layer the place in the cache */
  forward(x: tf.Tensor2D, step: RotaryStep, layer: number): tf.Tensor2D {
    const turned = (projection: Layer, heads: number) => splitHeads(rotary(projection.forward(x), step.cos, step.sin, heads), step, heads);
    const values = splitHeads(this.v_proj.forward(x), step, this.kvHeads);
    const { key, value } = withPast(step, layer, turned(this.k_proj, this.kvHeads), values); // [B, kvH, S, D]
    const out = attention({
      query: turned(this.q_proj, this.heads),
      key,
      value,
      scale: this.scale,
      softcap: this.softcap,
      mask: this.slides ? step.slidingMask : step.mask,
      rows: step.outputs ?? step.rows,
      dropout: this.dropout,
      training: this.training,
    }); // [B·T, H·D]
    return this.o_proj.forward(out);
  }
}

export class Gemma2MLP extends Module {
  static override readonly [kind] = 'Gemma2MLP';
  readonly gate_proj: Layer;
  readonly up_proj: Layer;
  readonly down_proj: Layer;
  readonly act: string;

  constructor({ hidden_size: C, intermediate_size, hidden_activation, initializer_range: std }: Gemma2Config) {
    super();
    this.gate_proj = new Linear(C, intermediate_size, false, std);
    this.up_proj = new Linear(C, intermediate_size, false, std);
    this.down_proj = new Linear(intermediate_size, C, false, std);
    this.act = hidden_activation;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return this.down_proj.forward(multiply(activation(this.act)(this.gate_proj.forward(x)), this.up_proj.forward(x)));
  }
}

export class Gemma2DecoderLayer extends Module {
  static override readonly [kind] = 'Gemma2DecoderLayer';
  readonly self_attn: Gemma2Attention;
  readonly mlp: Gemma2MLP;
  readonly input_layernorm: RMSNorm;
  readonly post_attention_layernorm: RMSNorm;
  readonly pre_feedforward_layernorm: RMSNorm;
  readonly post_feedforward_layernorm: RMSNorm;

  constructor(config: Gemma2Config, layer: number) {
    super();
    this.self_attn = new Gemma2Attention(config, layer);
    this.mlp = new Gemma2MLP(config);
    this.input_layernorm = norm(config);
    this.post_attention_layernorm = norm(config);
    this.pre_feedforward_layernorm = norm(config);
    this.post_feedforward_layernorm = norm(config);
  }

  forward(x: tf.Tensor2D, step: RotaryStep, layer: number): tf.Tensor2D {
    const found = this.self_attn.forward(this.input_layernorm.forward(x), step, layer);
    const attended = add(atOutputs(x, step), this.post_attention_layernorm.forward(found));
    const computed = this.mlp.forward(this.pre_feedforward_layernorm.forward(attended));
    return add(attended, this.post_feedforward_layernorm.forward(computed));
  }
}

export class Gemma2Model extends TextModel implements Decoder {
  static override readonly [kind] = 'Gemma2Model';
  declare readonly config: Gemma2Config;
  readonly embed_tokens: EmbeddingLayer;
  readonly layers: Gemma2DecoderLayer[];
  readonly norm: RMSNorm;

  constructor(config: Gemma2Config) {
    super(config);
    this.embed_tokens = new Embedding(config.vocab_size, config.hidden_size, config.pad_token_id, config.initializer_range);
    this.layers = Array.from({ length: config.num_hidden_layers }, (_, layer) => new Gemma2DecoderLayer(config, layer));
    this.norm = norm(config);
  }

  run(batch: TextBatch, needed?: Needed) {
    const { hidden: embedded, ids, step: opened } = openStep(batch, this.embed_tokens, needed);
    const shared = rotaryStep(batch, opened, this.config, this.config.sliding_window);
    const scaled = scale(embedded, Math.fround(Math.sqrt(this.config.hidden_size))); // [N, C]
    const { hidden, step } = runLayers(this.layers, scaled, shared);
    return { hidden: this.norm.forward(hidden), ids, step };
  }

  forward(batch: TextBatch): ModelOutput {
    return decoderOutput(this, batch);
  }

  inputEmbeddings(): EmbeddingLayer {
    return this.embed_tokens;
  }
}

export class Gemma2ForCausalLM extends CausalLM {
  static override readonly [kind] = 'Gemma2ForCausalLM';
  readonly model: Gemma2Model;
  readonly lm_head: Layer;

  constructor(config: Gemma2Config) {
    super(config);
    this.model = new Gemma2Model(config);
    this.lm_head = vocabularyHead(
      this.model.embed_tokens as Embedding,
      config.vocab_size,
      config.hidden_size,
      config.tie_word_embeddings,
      config.initializer_range,
    );
  }

  protected get decoder(): Decoder {
    return this.model;
  }

  protected get head(): Layer {
    return this.lm_head;
  }
}

export class Gemma2ForSequenceClassification extends DecoderSequenceClassifier {
  static override readonly [kind] = 'Gemma2ForSequenceClassification';
  readonly model: Gemma2Model;
  readonly score: Layer;

  constructor(config: Gemma2Config) {
    super(config);
    this.model = new Gemma2Model(config);
    this.score = classHead(config, config.hidden_size, false);
  }

  protected get decoder(): Decoder {
    return this.model;
  }
}

export class Gemma2ForTokenClassification extends DecoderTokenClassifier {
  static override readonly [kind] = 'Gemma2ForTokenClassification';
  readonly model: Gemma2Model;
  readonly score: Layer;

  constructor(config: Gemma2Config) {
    super(config);
    this.model = new Gemma2Model(config);
    this.score = classHead(config, config.hidden_size, true);
  }

  protected get decoder(): Decoder {
    return this.model;
  }

  protected get head(): Layer {
    return this.score;
  }
}
