/**
 * Phi-3 (Abdin et al. 2024, https://arxiv.org/abs/2404.14219): Llama's layers with queries, keys and values of one projection and
 * gate and input of another.
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
  Linear,
  type ModelOutput,
  Module,
  multiply,
  RMSNorm,
  rotary,
  split,
  splitHeads,
  type TextBatch,
} from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { Phi3Config } from './config';
import { withPast } from './shared/cache';
import { CausalLM, type Decoder, DecoderSequenceClassifier, DecoderTokenClassifier, decoderOutput, vocabularyHead } from './shared/decoder';
import { classHead } from './shared/heads';
import { type RotaryStep, rotaryStep } from './shared/rotaryStep';
import { atOutputs, type Needed, openStep, runLayers } from './shared/step';
import { TextModel } from './shared/TextModel';

export class Phi3Attention extends Module {
  static override readonly [kind] = 'Phi3Attention';
  readonly o_proj: Layer;
  readonly qkv_proj: Layer;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly dropout: number;

  constructor(config: Phi3Config) {
    super();
    const { hidden_size: C, num_attention_heads: H, num_key_value_heads: kvH, head_dim: D, initializer_range: std } = config;
    this.o_proj = new Linear(H * D, C, false, std);
    this.qkv_proj = new Linear(C, (H + 2 * kvH) * D, false, std);
    this.heads = H;
    this.kvHeads = kvH;
    this.headSize = D;
    this.dropout = config.attention_dropout;
  }

  /** @param x [B·T, C] @param layer the place in the cache */
  forward(x: tf.Tensor2D, step: RotaryStep, layer: number): tf.Tensor2D {
    const { heads: H, kvHeads: kvH, headSize: D } = this;
    const qkv = this.qkv_proj.forward(x); // [B·T, (H + 2·kvH)·D]
    const [q, k, v] = split(qkv, [H * D, kvH * D, kvH * D]) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    const turned = (part: tf.Tensor2D, heads: number) => splitHeads(rotary(part, step.cos, step.sin, heads), step, heads);
    const { key, value } = withPast(step, layer, turned(k, kvH), splitHeads(v, step, kvH)); // [B, kvH, S, D]
    const out = attention({
      query: turned(q, H),
      key,
      value,
      scale: D ** -0.5,
      mask: step.slidingMask,
      rows: step.outputs ?? step.rows,
      dropout: this.dropout,
      training: this.training,
    }); // [B·T, H·D]
    return this.o_proj.forward(out);
  }
}

export class Phi3MLP extends Module {
  static override readonly [kind] = 'Phi3MLP';
  readonly gate_up_proj: Layer;
  readonly down_proj: Layer;
  readonly width: number;
  readonly act: string;

  constructor({ hidden_size: C, intermediate_size, hidden_act, initializer_range: std }: Phi3Config) {
    super();
    this.gate_up_proj = new Linear(C, 2 * intermediate_size, false, std);
    this.down_proj = new Linear(intermediate_size, C, false, std);
    this.width = intermediate_size;
    this.act = hidden_act;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    const both = this.gate_up_proj.forward(x); // [B·T, 2·width]
    const [gate, up] = split(both, [this.width, this.width]) as [tf.Tensor2D, tf.Tensor2D];
    return this.down_proj.forward(multiply(activation(this.act)(gate), up));
  }
}

export class Phi3DecoderLayer extends Module {
  static override readonly [kind] = 'Phi3DecoderLayer';
  readonly self_attn: Phi3Attention;
  readonly mlp: Phi3MLP;
  readonly input_layernorm: RMSNorm;
  readonly post_attention_layernorm: RMSNorm;
  readonly dropout: number;

  constructor(config: Phi3Config) {
    super();
    this.self_attn = new Phi3Attention(config);
    this.mlp = new Phi3MLP(config);
    this.input_layernorm = new RMSNorm(config.hidden_size, config.rms_norm_eps);
    this.post_attention_layernorm = new RMSNorm(config.hidden_size, config.rms_norm_eps);
    this.dropout = config.resid_pdrop;
  }

  forward(x: tf.Tensor2D, step: RotaryStep, layer: number): tf.Tensor2D {
    const drop = (t: tf.Tensor2D) => dropout(t, this.dropout, this.training);
    const attended = add(atOutputs(x, step), drop(this.self_attn.forward(this.input_layernorm.forward(x), step, layer)));
    return add(attended, drop(this.mlp.forward(this.post_attention_layernorm.forward(attended))));
  }
}

export class Phi3Model extends TextModel implements Decoder {
  static override readonly [kind] = 'Phi3Model';
  declare readonly config: Phi3Config;
  readonly embed_tokens: EmbeddingLayer;
  readonly layers: Phi3DecoderLayer[];
  readonly norm: RMSNorm;

  constructor(config: Phi3Config) {
    super(config);
    this.embed_tokens = new Embedding(config.vocab_size, config.hidden_size, config.pad_token_id, config.initializer_range);
    this.layers = Array.from({ length: config.num_hidden_layers }, () => new Phi3DecoderLayer(config));
    this.norm = new RMSNorm(config.hidden_size, config.rms_norm_eps);
  }

  run(batch: TextBatch, needed?: Needed) {
    const { hidden: embedded, ids, step: opened } = openStep(batch, this.embed_tokens, needed);
    const shared = rotaryStep(batch, opened, this.config, this.config.sliding_window);
    const { hidden, step } = runLayers(this.layers, embedded, shared); // [N, C]
    return { hidden: this.norm.forward(hidden), ids, step };
  }

  forward(batch: TextBatch): ModelOutput {
    return decoderOutput(this, batch);
  }

  inputEmbeddings(): EmbeddingLayer {
    return this.embed_tokens;
  }
}

export class Phi3ForCausalLM extends CausalLM {
  static override readonly [kind] = 'Phi3ForCausalLM';
  readonly model: Phi3Model;
  readonly lm_head: Layer;

  constructor(config: Phi3Config) {
    super(config);
    this.model = new Phi3Model(config);
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

export class Phi3ForSequenceClassification extends DecoderSequenceClassifier {
  static override readonly [kind] = 'Phi3ForSequenceClassification';
  readonly model: Phi3Model;
  readonly score: Layer;

  constructor(config: Phi3Config) {
    super(config);
    this.model = new Phi3Model(config);
    this.score = classHead(config, config.hidden_size, false);
  }

  protected get decoder(): Decoder {
    return this.model;
  }
}

export class Phi3ForTokenClassification extends DecoderTokenClassifier {
  static override readonly [kind] = 'Phi3ForTokenClassification';
  readonly model: Phi3Model;
  readonly score: Layer;

  constructor(config: Phi3Config) {
    super(config);
    this.model = new Phi3Model(config);
    this.score = classHead(config, config.hidden_size, true);
  }

  protected get decoder(): Decoder {
    return this.model;
  }

  protected get head(): Layer {
    return this.score;
  }
}
