import type { AnyCausalLM, TextTokenizer } from '@peft/models';
import { dataCollatorForLanguageModeling, dataLoader } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import type { Block } from './blocks';
import type { Adapted } from './studio';

/** The mean loss of a token. */
export async function heldOutLoss(subject: Adapted | AnyCausalLM, blocks: readonly Block[], tokenizer: TextTokenizer): Promise<number> {
  let total = 0;
  for (const batch of dataLoader(blocks, { batch_size: 8, collate: dataCollatorForLanguageModeling(tokenizer) })) {
    const loss = tf.tidy(() => subject.forward({ ...batch, return_logits: false }).loss as tf.Scalar);
    total += ((await loss.data())[0] as number) * batch.input_ids.length;
    loss.dispose();
  }
  return total / blocks.length;
}
