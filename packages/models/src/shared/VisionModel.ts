import { kind, type ModelOutput } from '@peft/core';
import type * as tf from '@tensorflow/tfjs-core';
import { PretrainedModel } from './PretrainedModel';
import type { Pixels } from './pixels';

/** What models of images take; names and meaning are those of Hugging Face's forward arguments. */
export interface ImageBatch {
  /** As image processors give them. */
  pixel_values?: Pixels; // [B, C, height, width]
  /** [B] for classes of images, [B, L] where an image has several or none; [B, height, width] for classes of pixels. */
  labels?: readonly number[] | readonly (readonly number[])[] | readonly (readonly (readonly number[])[])[] | tf.Tensor;
  /** Whether positions are stretched over images of another size than the config's. @default false */
  interpolate_pos_encoding?: boolean;
}

/** A pretrained model that reads images. */
export abstract class VisionModel extends PretrainedModel<ImageBatch> {
  static override readonly [kind]: string = 'VisionModel';

  get main_input_name(): 'pixel_values' {
    return 'pixel_values';
  }

  abstract override forward(batch: ImageBatch): ModelOutput;
}
