import { crossEntropy, Embedding, getPeftModel, initialize, kind, Linear, Module, manualSeed, tanh } from '@peft/core';
import { loraConfig } from '@peft/lora';
import * as tf from '@tensorflow/tfjs-core';

export interface TinyBatch {
  input_ids: number[][];
  labels?: number[];
  return_logits?: boolean;
}

/** Classifies the one token of each row. */
export class TinyModel extends Module {
  static override readonly [kind]: string = 'TinyModel';
  readonly emb = new Embedding(12, 8);
  readonly hidden = new Linear(8, 8);
  readonly head = new Linear(8, 3);

  forward({ input_ids, labels }: TinyBatch): { loss?: tf.Scalar; logits: tf.Tensor2D } {
    const logits = this.head.forward(tanh(this.hidden.forward(this.emb.forward(tf.tensor1d(input_ids.flat(), 'int32')))));
    return labels ? { logits, loss: crossEntropy(logits, labels) } : { logits };
  }
}

/** With LoRA and dropout on the hidden layer. */
export function tinyPeft(adapterName = 'default') {
  manualSeed(3);
  const net = new TinyModel();
  initialize(net);
  return getPeftModel(net, loraConfig({ r: 2, target_modules: ['hidden'], lora_dropout: 0.2 }), { adapterName });
}

export const tinyData = Array.from({ length: 22 }, (_, i) => ({ input_ids: [(i * 5) % 12], labels: ((i * 5) % 12) % 3 }));
