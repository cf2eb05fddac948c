/** Mistral (Jiang et al. 2023, https://arxiv.org/abs/2310.06825) is Llama with a sliding window; one head differs in a name. */
import { kind, type Layer, Linear } from '@peft/core';
import type { LlamaConfig } from './config';
import { LlamaModel } from './llama';
import { type Decoder, DecoderQuestionAnswering } from './shared/decoder';

export class MistralForQuestionAnswering extends DecoderQuestionAnswering {
  static override readonly [kind] = 'MistralForQuestionAnswering';
  readonly model: LlamaModel;
  readonly qa_outputs: Layer;

  constructor(config: LlamaConfig) {
    super(config);
    this.model = new LlamaModel(config);
    this.qa_outputs = new Linear(config.hidden_size, 2, true, config.initializer_range);
  }

  protected get decoder(): Decoder {
    return this.model;
  }
}
