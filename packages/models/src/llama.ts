/**
 * Llama (Touvron et al. 2023, https://arxiv.org/abs/2302.13971), and with other settings Mistral, Qwen2 and Qwen3: pre-norm
 * decoder with RMSNorm, rotary positions, grouped-query attention and a gated feed-forward layer.
 */
import {
  add,
  attention,
  Embedding,
  type EmbeddingLayer,
  kind,
  type Layer,
  Linear,
  type ModelOutput,
  Module,
  RMSNorm,
  reshape,
  rotary,
  splitHeads,
  swiglu,
  type TextBatch,
} from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { LlamaConfig } from './config';
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
import { classHead } from './shared/heads';
import { type RotaryStep, rotaryStep } from './shared/rotaryStep';
import { atOutputs, type Needed, openStep, outputLayout, runLayers } from './shared/step';
import { TextModel } from './shared/TextModel';

export class LlamaAttention extends Module {
  static override readonly [kind] = 'LlamaAttention';
  readonly q_proj: Layer;
  readonly k_proj: Layer;
  readonly v_proj: Layer;
  readonly o_proj: Layer;
  /** Norms of each head's queries and keys, which Qwen3 has. */
  readonly q_norm: RMSNorm | null;
  readonly k_norm: RMSNorm | null;
  readonly layer: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly slides: boolean;
  readonly dropout: number;

  constructor(config: LlamaConfig, layer: number) {
    super();
    const {
      hidden_size: C,
      num_attention_heads: H,
      num_key_value_heads: kvH,
      head_dim: D,
      initializer_range: std,
      qkv_bias,
      attention_bias,
    } = config;
    this.q_proj = new Linear(C, H * D, qkv_bias, std);
    this.k_proj = new Linear(C, kvH * D, qkv_bias, std);
    this.v_proj = new Linear(C, kvH * D, qkv_bias, std);
    this.o_proj = new Linear(H * D, C, attention_bias, std);
    this.q_norm = config.qk_norm ? new RMSNorm(D, config.rms_norm_eps) : null;
    this.k_norm = config.qk_norm ? new RMSNorm(D, config.rms_norm_eps) : null;
    this.layer = layer;
    this.heads = H;
    this.kvHeads = kvH;
    this.headSize = D;
    this.slides = config.layer_types[layer] === 'sliding_attention';
    this.dropout = config.attention_dropout;
  }

  /** @param x [B·T, C] @param layer the place in the cache */
  forward(x: tf.Tensor2D, step: RotaryStep, layer = this.layer): tf.Tensor2D {
    const q = this.queries(x, step); // [M, H·D]
    const layout = outputLayout(step);
    const k = rotary(this.normalize(this.k_proj.forward(x), this.k_norm), step.cos, step.sin, this.kvHeads); // [B·T, kvH·D]
    const v = this.v_proj.forward(x);
    const { key, value } = withPast(step, layer, splitHeads(k, step, this.kvHeads), splitHeads(v, step, this.kvHeads)); // [B, kvH, S, D]
    const out = attention({
      query: splitHeads(q, layout, this.heads),
      key,
      value,
      scale: this.headSize ** -0.5,
      mask: this.slides ? step.slidingMask : step.mask,
      rows: layout.rows,
      dropout: this.dropout,
      training: this.training,
    }); // [B·T, H·D]
    return this.o_proj.forward(out);
  }

  /** What keys are compared with. @param x [N, C] @returns [M, H·D], of the positions that the layer gives */
  queries(x: tf.Tensor2D, step: RotaryStep): tf.Tensor2D {
    const query = this.normalize(this.q_proj.forward(atOutputs(x, step)), this.q_norm);
    return rotary(query, atOutputs(step.cos, step), atOutputs(step.sin, step), this.heads);
  }

  /** Normalises each head for itself. @param x [B·T, H·D] */
  private normalize(x: tf.Tensor2D, norm: RMSNorm | null): tf.Tensor2D {
    return norm ? reshape(norm.forward(reshape(x, [-1, this.headSize])), x.shape) : x;
  }
}

export class LlamaMLP extends Module {
  static override readonly [kind] = 'LlamaMLP';
  readonly gate_proj: Layer;
  readonly up_proj: Layer;
  readonly down_proj: Layer;

  constructor({ hidden_size: C, intermediate_size, mlp_bias, initializer_range: std }: LlamaConfig) {
    super();
    this.gate_proj = new Linear(C, intermediate_size, mlp_bias, std);
    this.up_proj = new Linear(C, intermediate_size, mlp_bias, std);
    this.down_proj = new Linear(intermediate_size, C, mlp_bias, std);
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return this.down_proj.forward(swiglu(this.gate_proj.forward(x), this.up_proj.forward(x)));
  }
}

export class LlamaDecoderLayer extends Module {
  static override readonly [kind] = 'LlamaDecoderLayer';
  readonly self_attn: LlamaAttention;
  readonly mlp: LlamaMLP;
  readonly input_layernorm: RMSNorm;
  readonly post_attention_layernorm: RMSNorm;

  constructor(config: LlamaConfig, layer: number) {
    super();
    this.self_attn = new LlamaAttention(config, layer);
    this.mlp = new LlamaMLP(config);
    this.input_layernorm = new RMSNorm(config.hidden_size, config.rms_norm_eps);
    this.post_attention_layernorm = new RMSNorm(config.hidden_size, config.rms_norm_eps);
  }

  forward(x: tf.Tensor2D, step: RotaryStep, layer: number): tf.Tensor2D {
    const attended = add(atOutputs(x, step), this.self_attn.forward(this.input_layernorm.forward(x), step, layer));
    return add(attended, this.mlp.forward(this.post_attention_layernorm.forward(attended)));
  }
}

export class LlamaModel extends TextModel implements Decoder {
  static override readonly [kind]: string = 'LlamaModel';
  declare readonly config: LlamaConfig;
  readonly embed_tokens: EmbeddingLayer;
  readonly layers: LlamaDecoderLayer[];
  readonly norm: RMSNorm;

  constructor(config: LlamaConfig) {
    super(config);
    this.embed_tokens = new Embedding(config.vocab_size, config.hidden_size, config.pad_token_id, config.initializer_range);
    this.layers = Array.from({ length: config.num_hidden_layers }, (_, layer) => new LlamaDecoderLayer(config, layer));
    this.norm = new RMSNorm(config.hidden_size, config.rms_norm_eps);
  }

  run(batch: TextBatch, needed?: Needed) {
    const { hidden: embedded, ids, step: opened } = openStep(batch, this.embed_tokens, needed);
    const slides = this.config.layer_types.includes('sliding_attention');
    const shared = rotaryStep(batch, opened, this.config, slides ? this.config.sliding_window : null);
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

export class LlamaForCausalLM extends CausalLM {
  static override readonly [kind]: string = 'LlamaForCausalLM';
  readonly model: LlamaModel;
  readonly lm_head: Layer;

  constructor(config: LlamaConfig) {
    super(config);
    this.model = new LlamaModel(config);
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

export class LlamaForSequenceClassification extends DecoderSequenceClassifier {
  static override readonly [kind]: string = 'LlamaForSequenceClassification';
  readonly model: LlamaModel;
  readonly score: Layer;

  constructor(config: LlamaConfig) {
    super(config);
    this.model = new LlamaModel(config);
    this.score = classHead(config, config.hidden_size, false);
  }

  protected get decoder(): Decoder {
    return this.model;
  }
}

export class LlamaForTokenClassification extends DecoderTokenClassifier {
  static override readonly [kind]: string = 'LlamaForTokenClassification';
  readonly model: LlamaModel;
  readonly score: Layer;

  constructor(config: LlamaConfig) {
    super(config);
    this.model = new LlamaModel(config);
    this.score = classHead(config, config.hidden_size, true);
  }

  protected get decoder(): Decoder {
    return this.model;
  }

  protected get head(): Layer {
    return this.score;
  }
}

export class LlamaForQuestionAnswering extends DecoderQuestionAnswering {
  static override readonly [kind]: string = 'LlamaForQuestionAnswering';
  /** Called `transformer`, not `model`, in checkpoints of this class. */
  readonly transformer: LlamaModel;
  readonly qa_outputs: Layer;

  constructor(config: LlamaConfig) {
    super(config);
    this.transformer = new LlamaModel(config);
    this.qa_outputs = new Linear(config.hidden_size, 2, true, config.initializer_range);
  }

  protected get decoder(): Decoder {
    return this.transformer;
  }
}
