/** ViT (Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929): an image's patches as a sequence, pre-norm, read off a class token. */
import {
  activation,
  add,
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
  normal,
  Parameter,
  reshape,
  slice,
} from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import type { VitConfig } from './config';
import { pairOf } from './config/vit';
import { DenseDropout } from './shared/DenseDropout';
import { firstTokens, Intermediate, SelfAttention } from './shared/encoderLayer';
import { classHead, classOutput, hiddenOutput } from './shared/heads';
import { channelsLast } from './shared/pixels';
import { atOutputs, firstPositions, runLayers, type Step } from './shared/step';
import { type Size, stretchPositions } from './shared/stretchPositions';
import { type ImageBatch, VisionModel } from './shared/VisionModel';

class PatchEmbeddings extends Module {
  static override readonly [kind] = 'ViTPatchEmbeddings';
  readonly projection: ConvLayer;

  constructor({ num_channels, hidden_size, patch_size, initializer_range: std }: VitConfig) {
    super();
    this.projection = new Conv2d(num_channels, hidden_size, pairOf(patch_size), { stride: pairOf(patch_size), std });
  }

  /** @param images [B, height, width, channels] @returns [B, rows, columns, C] */
  forward(images: tf.Tensor4D): tf.Tensor4D {
    return this.projection.forward(images);
  }
}

class Embeddings extends Module {
  static override readonly [kind] = 'ViTEmbeddings';
  readonly cls_token: Parameter; // [1, 1, C]
  readonly position_embeddings: Parameter; // [1, 1 + rows·columns, C]
  readonly patch_embeddings: PatchEmbeddings;
  readonly dropout: number;
  readonly channels: number;
  readonly imageSize: Size;
  readonly grid: Size;

  constructor(config: VitConfig) {
    super();
    const { hidden_size: C, initializer_range: std } = config;
    const patch = pairOf(config.patch_size);
    this.imageSize = pairOf(config.image_size);
    this.grid = [Math.floor(this.imageSize[0] / patch[0]), Math.floor(this.imageSize[1] / patch[1])];
    this.cls_token = new Parameter([1, 1, C], normal(0, std));
    this.position_embeddings = new Parameter([1, 1 + this.grid[0] * this.grid[1], C], normal(0, std));
    this.patch_embeddings = new PatchEmbeddings(config);
    this.dropout = config.hidden_dropout_prob;
    this.channels = config.num_channels;
  }

  forward({ pixel_values, interpolate_pos_encoding = false }: ImageBatch): { hidden: tf.Tensor2D; step: Step } {
    const images = channelsLast(pixel_values, this.channels);
    const [, height, width] = images.shape;
    if (!interpolate_pos_encoding && (height !== this.imageSize[0] || width !== this.imageSize[1]))
      throw new Error(
        `images are ${height}×${width}, and this model's are ${this.imageSize.join('×')}: resize them, or set interpolate_pos_encoding`,
      );
    const patches = this.patch_embeddings.forward(images);
    const [B, rows, columns, C] = patches.shape;
    const length = 1 + rows * columns;
    // Row 0 is the class token's, which every image begins with.
    const own = (image: number, position: number) => (position === 0 ? 0 : image * (length - 1) + position);
    const order = Array.from({ length: B * length }, (_, i) => own(Math.floor(i / length), i % length));
    const parts = [reshape<tf.Tensor2D>(this.cls_token.value, [1, C]), reshape<tf.Tensor2D>(patches, [-1, C])];
    const tokens = gatherRows(concat(parts, 0), order); // [B·T, C]
    const stretched = interpolate_pos_encoding && (rows * columns !== this.grid[0] * this.grid[1] || height !== width);
    const positions = gatherRows(
      this.positions(stretched ? [rows, columns] : undefined),
      order.map((_, i) => i % length),
    );
    return { hidden: dropout(add(tokens, positions), this.dropout, this.training), step: { batch: B, length, pastLength: 0 } };
  }

  /** The class token's position and one for each patch, for a grid of another size where one is given: [1 + rows·columns, C]. */
  private positions(size: Size | undefined): tf.Tensor2D {
    const all = reshape<tf.Tensor2D>(this.position_embeddings.value, this.position_embeddings.shape.slice(1));
    if (!size) return all;
    // As in transformers: what is stretched is a square.
    const side = Math.sqrt(this.grid[0] * this.grid[1]);
    if (!Number.isInteger(side)) throw new Error(`positions of a ${this.grid.join('×')} grid cannot be stretched: only square ones can`);
    return concat([slice(all, [0, 0], [1, -1]), stretchPositions(slice(all, [1, 0], [-1, -1]), [side, side], size)], 0);
  }
}

class Attention extends Module {
  static override readonly [kind] = 'ViTAttention';
  readonly attention: SelfAttention;
  readonly output: DenseDropout;

  constructor(config: VitConfig) {
    super();
    const { hidden_size: C, hidden_dropout_prob, initializer_range: std } = config;
    this.attention = new SelfAttention(config, config.qkv_bias);
    this.output = new DenseDropout(C, C, hidden_dropout_prob, std);
  }

  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    return this.output.forward(this.attention.forward(x, step, layer));
  }
}

class ViTLayer extends Module {
  static override readonly [kind] = 'ViTLayer';
  readonly attention: Attention;
  readonly intermediate: Intermediate;
  readonly output: DenseDropout;
  readonly layernorm_before: LayerNorm;
  readonly layernorm_after: LayerNorm;

  constructor(config: VitConfig) {
    super();
    this.attention = new Attention(config);
    this.intermediate = new Intermediate(config);
    this.output = new DenseDropout(config.intermediate_size, config.hidden_size, config.hidden_dropout_prob, config.initializer_range);
    this.layernorm_before = new LayerNorm(config.hidden_size, config.layer_norm_eps);
    this.layernorm_after = new LayerNorm(config.hidden_size, config.layer_norm_eps);
  }

  forward(x: tf.Tensor2D, step: Step, layer: number): tf.Tensor2D {
    const attended = add(atOutputs(x, step), this.attention.forward(this.layernorm_before.forward(x), step, layer));
    return add(attended, this.output.forward(this.intermediate.forward(this.layernorm_after.forward(attended))));
  }
}

class Pooler extends Module {
  static override readonly [kind] = 'ViTPooler';
  readonly dense: Layer;
  readonly act: string;

  constructor({ hidden_size, pooler_output_size, pooler_act, initializer_range }: VitConfig) {
    super();
    this.dense = new Linear(hidden_size, pooler_output_size, true, initializer_range);
    this.act = pooler_act;
  }

  /** @param hidden [B·T, C] @returns [B, pooler_output_size], from each image's class token */
  forward(hidden: tf.Tensor2D, step: Step): tf.Tensor2D {
    return activation(this.act)(this.dense.forward(firstTokens(hidden, step)));
  }
}

export class ViTModel extends VisionModel {
  static override readonly [kind] = 'ViTModel';
  declare readonly config: VitConfig;
  readonly embeddings: Embeddings;
  readonly encoder: { layer: ViTLayer[] };
  readonly layernorm: LayerNorm;
  readonly pooler: Pooler | null;

  constructor(config: VitConfig, addPoolingLayer = true) {
    super(config);
    this.embeddings = new Embeddings(config);
    this.encoder = { layer: Array.from({ length: config.num_hidden_layers }, () => new ViTLayer(config)) };
    this.layernorm = new LayerNorm(config.hidden_size, config.layer_norm_eps);
    this.pooler = addPoolingLayer ? new Pooler(config) : null;
  }

  /** Hidden states [B·T, C], the class token before the patches, row by row. @param needed all are, or of the last layer only some */
  run(batch: ImageBatch, needed?: typeof firstPositions): { hidden: tf.Tensor2D; step: Step } {
    const { hidden: embedded, step } = this.embeddings.forward(batch);
    const last = runLayers(this.encoder.layer, embedded, needed ? { ...step, needed: Int32Array.from(needed(step)) } : step);
    return { hidden: this.layernorm.forward(last.hidden), step: last.step };
  }

  forward(batch: ImageBatch): ModelOutput {
    const { hidden, step } = this.run(batch);
    return { ...hiddenOutput(hidden, step), ...(this.pooler && { pooler_output: this.pooler.forward(hidden, step) }) };
  }
}

export class ViTForImageClassification extends VisionModel {
  static override readonly [kind] = 'ViTForImageClassification';
  declare readonly config: VitConfig;
  readonly vit: ViTModel;
  readonly classifier: Layer;

  constructor(config: VitConfig) {
    super(config);
    this.vit = new ViTModel(config, false);
    this.classifier = classHead(config, config.hidden_size, true);
  }

  forward(batch: ImageBatch): ModelOutput {
    const { hidden, step } = this.vit.run(batch, firstPositions);
    return classOutput(this.classifier.forward(firstTokens(hidden, step)), batch, this.config);
  }
}
