import * as tf from '@tensorflow/tfjs-core';
import type { OpenTextModel } from './openModel';

/** How likely each class of a text is, by name, the likeliest first; where a model predicts one number, that number. */
export async function classify({ model, base, tokenizer, labels }: OpenTextModel, text: string): Promise<Record<string, number>> {
  const { input_ids, ...encoded } = tokenizer([text], { truncation: true });
  const logits = tf.tidy(() => {
    const { logits: scores } = model.forward({ input_ids, ...encoded } as never) as { logits: tf.Tensor2D };
    return scores.shape[1] === 1 || base.config.problem_type === 'multi_label_classification' ? tf.sigmoid(scores) : tf.softmax(scores);
  });
  const shares = [...(await logits.data())];
  logits.dispose();
  return Object.fromEntries(shares.map((share, i) => [labels?.[i] ?? `LABEL_${i}`, share] as const).sort(([, a], [, b]) => b - a));
}
