/** SegFormer (Xie et al. 2021, https://arxiv.org/abs/2105.15203): stages of ever coarser patches, and a head that joins them all. */
import {
  activation,
  add,
  attention,
  BatchNorm2d,
  Conv2d,
  type ConvLayer,
  concat,
  dropout,
  gatherRows,
  kind,
  type Layer,
  LayerNorm,
  Linear,
  type ModelOutput,
  Module,
  meanRows,
  multiply,
  relu,
  reshape,
  resizeBilinear,
  splitHeads,
  transpose,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { SegformerConfig } from './config';
import { DenseDropout } from './shared/DenseDropout';
import { classHead, classOutput, labelCount } from './shared/heads';
import { channelsLast } from './shared/pixels';
import { segmentationLoss } from './shared/segmentationLoss';
import { runLayer } from './shared/step';
import { type ImageBatch, VisionModel } from './shared/VisionModel';

/** How flat activations [B·height·width, C] lie in images. */
interface Grid {
  batch: number;
  height: number;
  width: number;
}

/** What one stage reads of a config. */
type StageConfig = Pick<SegformerConfig, 'hidden_act' | 'hidden_dropout_prob' | 'attention_probs_dropout_prob'> & {
  C: number;
  heads: number;
  ratio: number;
  inner: number;
  std: number;
};

/** Flat activations as images. */
const asImages = (x: tf.Tensor2D, { batch, height, width }: Grid): tf.Tensor4D => reshape(x, [batch, height, width, x.shape[1]]);
const flat = (x: tf.Tensor4D): tf.Tensor2D => reshape(x, [-1, x.shape[3]]);

class PatchEmbeddings extends Module {
  static override readonly [kind] = 'SegformerOverlapPatchEmbeddings';
  readonly proj: ConvLayer;
  readonly layer_norm: LayerNorm;

  constructor(channels: number, C: number, size: number, stride: number, std: number) {
    super();
    this.proj = new Conv2d(channels, C, size, { stride, padding: Math.floor(size / 2), std });
    this.layer_norm = new LayerNorm(C);
  }

  /** @param x [B, height, width, channels] */
  forward(x: tf.Tensor4D): { hidden: tf.Tensor2D; grid: Grid } {
    const patches = this.proj.forward(x); // [B, height', width', C]
    const [batch, height, width] = patches.shape;
    return { hidden: this.layer_norm.forward(flat(patches)), grid: { batch, height, width } };
  }
}

class SelfAttention extends Module {
  static override readonly [kind] = 'SegformerEfficientSelfAttention';
  readonly query: Layer;
  readonly key: Layer;
  readonly value: Layer;
  readonly sr?: ConvLayer;
  readonly layer_norm?: LayerNorm;
  readonly heads: number;
  readonly dropout: number;

  constructor({ C, heads, ratio, std, attention_probs_dropout_prob }: StageConfig) {
    super();
    this.query = new Linear(C, C, true, std);
    this.key = new Linear(C, C, true, std);
    this.value = new Linear(C, C, true, std);
    if (ratio > 1) {
      this.sr = new Conv2d(C, C, ratio, { stride: ratio, std });
      this.layer_norm = new LayerNorm(C);
    }
    this.heads = heads;
    this.dropout = attention_probs_dropout_prob;
  }

  forward(x: tf.Tensor2D, grid: Grid): tf.Tensor2D {
    const split = (y: tf.Tensor2D) => splitHeads(y, grid.batch, this.heads); // [B, H, T, D]
    const query = split(this.query.forward(x));
    const seen = this.sr && this.layer_norm ? this.layer_norm.forward(flat(this.sr.forward(asImages(x, grid)))) : x; // [B·S, C]
    const [key, value] = [split(this.key.forward(seen)), split(this.value.forward(seen))];
    return attention({ query, key, value, scale: query.shape[3] ** -0.5, dropout: this.dropout, training: this.training });
  }
}

class Attention extends Module {
  static override readonly [kind] = 'SegformerAttention';
  readonly self: SelfAttention;
  readonly output: DenseDropout;

  constructor(config: StageConfig) {
    super();
    this.self = new SelfAttention(config);
    this.output = new DenseDropout(config.C, config.C, config.hidden_dropout_prob, config.std);
  }

  forward(x: tf.Tensor2D, grid: Grid): tf.Tensor2D {
    return this.output.forward(this.self.forward(x, grid));
  }
}

class DepthwiseConv extends Module {
  static override readonly [kind] = 'SegformerDWConv';
  readonly dwconv: ConvLayer;

  constructor({ inner, std }: StageConfig) {
    super();
    this.dwconv = new Conv2d(inner, inner, 3, { padding: 1, groups: inner, std });
  }

  forward(x: tf.Tensor2D, grid: Grid): tf.Tensor2D {
    return flat(this.dwconv.forward(asImages(x, grid)));
  }
}

/** A feed-forward network whose convolution tells a pixel of its neighbours: there are no positions. */
class MixFFN extends Module {
  static override readonly [kind] = 'SegformerMixFFN';
  readonly dense1: Layer;
  readonly dwconv: DepthwiseConv;
  readonly dense2: Layer;
  readonly act: string;
  readonly dropout: number;

  constructor(config: StageConfig) {
    super();
    this.dense1 = new Linear(config.C, config.inner, true, config.std);
    this.dwconv = new DepthwiseConv(config);
    this.dense2 = new Linear(config.inner, config.C, true, config.std);
    this.act = config.hidden_act;
    this.dropout = config.hidden_dropout_prob;
  }

  forward(x: tf.Tensor2D, grid: Grid): tf.Tensor2D {
    const inner = activation(this.act)(this.dwconv.forward(this.dense1.forward(x), grid));
    return dropout(this.dense2.forward(dropout(inner, this.dropout, this.training)), this.dropout, this.training);
  }
}

class SegformerLayer extends Module {
  static override readonly [kind] = 'SegformerLayer';
  readonly layer_norm_1: LayerNorm;
  readonly attention: Attention;
  readonly layer_norm_2: LayerNorm;
  readonly mlp: MixFFN;
  /** The rate at which an image goes past a half of the layer in training. */
  readonly dropPath: number;

  constructor(config: StageConfig, dropPath: number) {
    super();
    this.layer_norm_1 = new LayerNorm(config.C);
    this.attention = new Attention(config);
    this.layer_norm_2 = new LayerNorm(config.C);
    this.mlp = new MixFFN(config);
    this.dropPath = dropPath;
  }

  forward(x: tf.Tensor2D, grid: Grid): tf.Tensor2D {
    const attended = add(x, this.maybe(this.attention.forward(this.layer_norm_1.forward(x), grid), grid));
    return add(attended, this.maybe(this.mlp.forward(this.layer_norm_2.forward(attended), grid), grid));
  }

  private maybe(x: tf.Tensor2D, { batch }: Grid): tf.Tensor2D {
    if (!this.training || this.dropPath === 0) return x;
    const [count] = x.shape;
    const images = Array.from({ length: count }, (_, row) => Math.floor((row * batch) / count));
    return multiply(x, gatherRows(dropout(tf.ones<tf.Rank.R2>([batch, 1]), this.dropPath, true), images)); // [N, C]·[N, 1]
  }
}

/** A stage's output: [B, height, width, C]. */
type Stage = tf.Tensor4D;

export class SegformerModel extends VisionModel {
  static override readonly [kind] = 'SegformerModel';
  declare readonly config: SegformerConfig;
  readonly encoder: { patch_embeddings: PatchEmbeddings[]; block: SegformerLayer[][]; layer_norm: LayerNorm[] };

  constructor(config: SegformerConfig) {
    super(config);
    const { num_channels, hidden_sizes, depths, initializer_range: std } = config;
    const stages = Array.from({ length: config.num_encoder_blocks }, (_, i) => {
      const at = (list: readonly number[]) => list[i] as number;
      const C = at(hidden_sizes);
      const inner = Math.floor(C * at(config.mlp_ratios));
      const own: StageConfig = { ...config, C, heads: at(config.num_attention_heads), ratio: at(config.sr_ratios), inner, std };
      return {
        own,
        channels: i === 0 ? num_channels : (hidden_sizes[i - 1] as number),
        size: at(config.patch_sizes),
        stride: at(config.strides),
      };
    });
    const total = depths.reduce((sum, depth) => sum + depth, 0);
    let number = 0;
    const rate = () => (total > 1 ? (config.drop_path_rate * number++) / (total - 1) : 0);
    this.encoder = {
      patch_embeddings: stages.map(({ own, channels, size, stride }) => new PatchEmbeddings(channels, own.C, size, stride, std)),
      block: stages.map(({ own }, i) => Array.from({ length: depths[i] as number }, () => new SegformerLayer(own, rate()))),
      layer_norm: stages.map(({ own }) => new LayerNorm(own.C)),
    };
  }

  /** What all stages give, the finest first. */
  run({ pixel_values }: ImageBatch): Stage[] {
    const { patch_embeddings, block, layer_norm } = this.encoder;
    let images = channelsLast(pixel_values, this.config.num_channels);
    return patch_embeddings.map((patches, i) => {
      const { hidden, grid } = patches.forward(images);
      const last = (block[i] as SegformerLayer[]).reduce((x, layer, j) => runLayer(layer, x, grid, j), hidden);
      images = asImages((layer_norm[i] as LayerNorm).forward(last), grid);
      return images;
    });
  }

  /** The last stage, [B, C, height, width]; without `reshape_last_stage` [B, height·width, C]. */
  forward(batch: ImageBatch): ModelOutput {
    const last = this.run(batch).at(-1) as Stage;
    const [B, height, width, C] = last.shape;
    return {
      last_hidden_state: this.config.reshape_last_stage ? transpose(last, [0, 3, 1, 2]) : reshape(last, [B, height * width, C]),
    };
  }
}

class Mlp extends Module {
  static override readonly [kind] = 'SegformerMLP';
  readonly proj: Layer;

  constructor(width: number, { decoder_hidden_size, initializer_range }: SegformerConfig) {
    super();
    this.proj = new Linear(width, decoder_hidden_size, true, initializer_range);
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    const [batch, height, width] = x.shape;
    return asImages(this.proj.forward(flat(x)), { batch, height, width });
  }
}

/** Brings all stages to the finest one's size and tells classes from them together. */
class DecodeHead extends Module {
  static override readonly [kind] = 'SegformerDecodeHead';
  readonly linear_c: Mlp[];
  readonly linear_fuse: ConvLayer;
  readonly batch_norm: BatchNorm2d;
  readonly classifier: ConvLayer;
  readonly dropout: number;

  constructor(config: SegformerConfig) {
    super();
    const { decoder_hidden_size: C, num_encoder_blocks: stages, initializer_range: std } = config;
    this.linear_c = Array.from({ length: stages }, (_, i) => new Mlp(config.hidden_sizes[i] as number, config));
    this.linear_fuse = new Conv2d(C * stages, C, 1, { bias: false, std });
    this.batch_norm = new BatchNorm2d(C);
    this.classifier = new Conv2d(C, labelCount(config), 1, { std });
    this.dropout = config.classifier_dropout_prob;
  }

  /** @returns logits [B, height, width, L], of the finest stage's size */
  forward(stages: readonly Stage[]): tf.Tensor4D {
    const [batch, height, width] = (stages[0] as Stage).shape;
    const projected = this.linear_c.map((mlp, i) => resizeBilinear(mlp.forward(stages[i] as Stage), [height, width]));
    const fused = flat(this.linear_fuse.forward(concat(projected.reverse(), 3))); // [N, C]
    const hidden = dropout(relu(this.batch_norm.forward(fused)), this.dropout, this.training);
    return this.classifier.forward(asImages(hidden, { batch, height, width }));
  }
}

/** Puts each pixel into a class; logits are [B, L, height / 4, width / 4]. */
export class SegformerForSemanticSegmentation extends VisionModel {
  static override readonly [kind] = 'SegformerForSemanticSegmentation';
  declare readonly config: SegformerConfig;
  readonly segformer: SegformerModel;
  readonly decode_head: DecodeHead;

  constructor(config: SegformerConfig) {
    super(config);
    this.segformer = new SegformerModel(config);
    this.decode_head = new DecodeHead(config);
  }

  forward(batch: ImageBatch): ModelOutput {
    const logits = this.decode_head.forward(this.segformer.run(batch));
    return {
      ...(batch.labels && { loss: segmentationLoss(logits, batch.labels, this.config.semantic_loss_ignore_index) }),
      logits: transpose(logits, [0, 3, 1, 2]),
    };
  }
}

export class SegformerForImageClassification extends VisionModel {
  static override readonly [kind] = 'SegformerForImageClassification';
  declare readonly config: SegformerConfig;
  readonly segformer: SegformerModel;
  readonly classifier: Layer;

  constructor(config: SegformerConfig) {
    super(config);
    this.segformer = new SegformerModel(config);
    this.classifier = classHead(config, config.hidden_sizes[config.num_encoder_blocks - 1] as number, true);
  }

  forward(batch: ImageBatch): ModelOutput {
    const last = this.segformer.run(batch).at(-1) as Stage;
    return classOutput(this.classifier.forward(meanRows(flat(last), last.shape[0])), batch, this.config);
  }
}
