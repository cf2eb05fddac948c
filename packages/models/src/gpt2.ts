/** GPT-2 (Radford et al. 2019): pre-norm decoder with learned positions; its linear layers hold their weights [in, out]. */
import {
  activation,
  add,
  attention,
  Conv1D,
  dropout,
  Embedding,
  type EmbeddingLayer,
  kind,
  type Layer,
  LayerNorm,
  Linear,
  type ModelOutput,
  Module,
  slice,
  split,
  splitHeads,
  type TextBatch,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { Gpt2Config } from './config';
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
import { toMatrix } from './shared/ids';
import { atOutputs, atRows, attentionMask, type Needed, openStep, positionsOf, runLayers, type Step } from './shared/step';
import { TextModel } from './shared/TextModel';

export class GPT2Attention extends Module {
  static override readonly [kind] = 'GPT2Attention';
  readonly c_attn: Layer;
  readonly c_proj: Layer;
  readonly heads: number;
  readonly scale: number;
  readonly width: number;
  readonly attnDropout: number;
  readonly residDropout: number;

  constructor(config: Gpt2Config, layer: number) {
    super();
    const { n_embd: C, n_head: H } = config;
    this.c_attn = new Conv1D(3 * C, C);
    this.c_proj = new Conv1D(C, C);
    this.heads = H;
    this.scale = (config.scale_attn_weights ? (C / H) ** -0.5 : 1) / (config.scale_attn_by_inverse_layer_idx ? layer + 1 : 1);
    this.width = C;
    this.attnDropout = config.attn_pdrop;
    this.residDropout = config.resid_pdrop;
  }

  /** @param x [B·T, C] @param layer the place in the cache */
  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const qkv = this.c_attn.forward(x); // [B·T, 3·C]
    const parts = split(qkv, [this.width, this.width, this.width]).map((part) => splitHeads(part, step, this.heads));
    const [query, ownKey, ownValue] = parts as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D]; // [B, H, T, D] each
    const { key, value } = withPast(step, layer, ownKey, ownValue); // [B, H, S, D]
    const out = attention({
      query,
      key,
      value,
      scale: this.scale,
      mask: step.mask,
      rows: step.outputs ?? step.rows,
      dropout: this.attnDropout,
      training: this.training,
    });
    return dropout(this.c_proj.forward(out), this.residDropout, this.training);
  }

  /** What keys are compared with. @param x [N, C] @returns [M, H·D], of the positions that the layer gives */
  queries(x: tf.Tensor2D, step: Step): tf.Tensor2D {
    return slice(this.c_attn.forward(atOutputs(x, step)), [0, 0], [-1, this.width]);
  }
}

export class GPT2MLP extends Module {
  static override readonly [kind] = 'GPT2MLP';
  readonly c_fc: Layer;
  readonly c_proj: Layer;
  readonly act: string;
  readonly dropout: number;

  constructor(config: Gpt2Config) {
    super();
    const inner = config.n_inner ?? 4 * config.n_embd;
    this.c_fc = new Conv1D(inner, config.n_embd);
    this.c_proj = new Conv1D(config.n_embd, inner);
    this.act = config.activation_function;
    this.dropout = config.resid_pdrop;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return dropout(this.c_proj.forward(activation(this.act)(this.c_fc.forward(x))), this.dropout, this.training);
  }
}

export class GPT2Block extends Module {
  static override readonly [kind] = 'GPT2Block';
  readonly ln_1: LayerNorm;
  readonly attn: GPT2Attention;
  readonly ln_2: LayerNorm;
  readonly mlp: GPT2MLP;

  constructor(config: Gpt2Config, layer: number) {
    super();
    this.ln_1 = new LayerNorm(config.n_embd, config.layer_norm_epsilon);
    this.attn = new GPT2Attention(config, layer);
    this.ln_2 = new LayerNorm(config.n_embd, config.layer_norm_epsilon);
    this.mlp = new GPT2MLP(config);
  }

  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const attended = add(atOutputs(x, step), this.attn.forward(this.ln_1.forward(x), step, layer));
    return add(attended, this.mlp.forward(this.ln_2.forward(attended)));
  }
}

export class GPT2Model extends TextModel implements Decoder {
  static override readonly [kind] = 'GPT2Model';
  declare readonly config: Gpt2Config;
  readonly wte: EmbeddingLayer;
  readonly wpe: EmbeddingLayer;
  readonly h: GPT2Block[];
  readonly ln_f: LayerNorm;

  constructor(config: Gpt2Config) {
    super(config);
    this.wte = new Embedding(config.vocab_size, config.n_embd, null, config.initializer_range);
    this.wpe = new Embedding(config.n_positions, config.n_embd, null, config.initializer_range);
    this.h = Array.from({ length: config.n_layer }, (_, layer) => new GPT2Block(config, layer));
    this.ln_f = new LayerNorm(config.n_embd, config.layer_norm_epsilon);
  }

  run(batch: TextBatch, needed?: Needed) {
    const { hidden: embedded, ids, step: opened } = openStep(batch, this.wte, needed);
    const positions = positionsOf(batch, opened);
    const last = positions.reduce((max, position) => Math.max(max, position), 0);
    if (last >= this.config.n_positions)
      throw new Error(`position ${last} is beyond the ${this.config.n_positions} this model knows: shorten the input`);
    const mask = attentionMask(batch, opened, { causal: true });
    let first = add(embedded, this.wpe.forward(tf.tensor1d(positions, 'int32'))); // [B·T, C]
    // GPT-2 has no table of its own for token types: it takes words' embeddings.
    if (batch.token_type_ids)
      first = add(first, this.wte.forward(tf.tensor1d(atRows(toMatrix(batch.token_type_ids, 'token_type_ids').values, opened), 'int32')));
    first = dropout(first, this.config.embd_pdrop, this.training);
    const { hidden, step } = runLayers(this.h, first, { ...opened, ...(mask && { mask }) });
    return { hidden: this.ln_f.forward(hidden), ids, step };
  }

  forward(batch: TextBatch): ModelOutput {
    return decoderOutput(this, batch);
  }

  inputEmbeddings(): EmbeddingLayer {
    return this.wte;
  }
}

export class GPT2LMHeadModel extends CausalLM {
  static override readonly [kind] = 'GPT2LMHeadModel';
  readonly transformer: GPT2Model;
  readonly lm_head: Layer;

  constructor(config: Gpt2Config) {
    super(config);
    this.transformer = new GPT2Model(config);
    this.lm_head = vocabularyHead(
      this.transformer.wte as Embedding,
      config.vocab_size,
      config.n_embd,
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

export class GPT2ForSequenceClassification extends DecoderSequenceClassifier {
  static override readonly [kind] = 'GPT2ForSequenceClassification';
  readonly transformer: GPT2Model;
  readonly score: Layer;

  constructor(config: Gpt2Config) {
    super(config);
    this.transformer = new GPT2Model(config);
    this.score = classHead(config, config.n_embd, false);
  }

  protected get decoder(): Decoder {
    return this.transformer;
  }
}

export class GPT2ForTokenClassification extends DecoderTokenClassifier {
  static override readonly [kind] = 'GPT2ForTokenClassification';
  readonly transformer: GPT2Model;
  readonly classifier: Layer;

  constructor(config: Gpt2Config) {
    super(config);
    this.transformer = new GPT2Model(config);
    this.classifier = classHead(config, config.n_embd, true);
  }

  protected get decoder(): Decoder {
    return this.transformer;
  }

  protected get head(): Layer {
    return this.classifier;
  }
}

export class GPT2ForQuestionAnswering extends DecoderQuestionAnswering {
  static override readonly [kind] = 'GPT2ForQuestionAnswering';
  readonly transformer: GPT2Model;
  readonly qa_outputs: Layer;

  constructor(config: Gpt2Config) {
    super(config);
    this.transformer = new GPT2Model(config);
    this.qa_outputs = new Linear(config.n_embd, 2, true, config.initializer_range);
  }

  protected get decoder(): Decoder {
    return this.transformer;
  }
}
