export interface MeanIoUOptions {
  /** Number of classes. */
  num_labels: number;
  /** Pixels of this label do not count. @default 255 */
  ignore_index?: number;
}

export interface MeanIoU {
  /** The mean over classes of intersection over union; classes that are neither real nor predicted are left out. */
  mean_iou: number;
  /** The mean over classes of the share of pixels that are right; classes that are not real are left out. */
  mean_accuracy: number;
  /** The share of all pixels that are right. */
  overall_accuracy: number;
  /** By class; NaN for classes that are left out. */
  per_category_iou: number[];
  /** By class; NaN for classes that are left out. */
  per_category_accuracy: number[];
}

/**
 * Measures maps of classes, each as a list of its pixels' labels, over all pictures together, as `mean_iou` of Hugging Face's evaluate.
 * Errors: maps that do not come in pairs of one size
 */
export function meanIoU(
  predictions: Iterable<ArrayLike<number>>,
  references: Iterable<ArrayLike<number>>,
  { num_labels, ignore_index = 255 }: MeanIoUOptions,
): MeanIoU {
  const [both, predicted, real] = [new Float64Array(num_labels), new Float64Array(num_labels), new Float64Array(num_labels)];
  const add = (counts: Float64Array, label: number) => {
    if (label >= 0 && label < num_labels) counts[label] = (counts[label] as number) + 1;
  };
  const maps = [...references];
  let index = 0;
  for (const prediction of predictions) {
    const reference = maps[index++];
    if (prediction.length !== reference?.length)
      throw new Error(`map ${index - 1} has ${prediction.length} pixels and its reference ${reference?.length ?? 'is not there'}`);
    for (let i = 0; i < reference.length; i++) {
      const [was, is] = [prediction[i] as number, reference[i] as number];
      if (is === ignore_index) continue;
      add(predicted, was);
      add(real, is);
      if (was === is) add(both, is);
    }
  }
  if (index !== maps.length || index === 0)
    throw new Error(`there are ${index} maps for ${maps.length} references; there must be one each, and at least one`);
  const per_category_iou = Array.from(both, (count, i) => count / ((predicted[i] as number) + (real[i] as number) - count));
  const per_category_accuracy = Array.from(both, (count, i) => count / (real[i] as number));
  return {
    mean_iou: meanOf(per_category_iou),
    mean_accuracy: meanOf(per_category_accuracy),
    overall_accuracy: sum(both) / sum(real),
    per_category_iou,
    per_category_accuracy,
  };
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0);

/** Of those that are numbers. */
function meanOf(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value));
  return sum(known) / known.length;
}
