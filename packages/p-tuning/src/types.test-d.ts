import { type BaseModel, getPeftModel, Module, type PeftModel } from '@peft/core';
import type { BertForSequenceClassification, LlamaForCausalLM, T5ForConditionalGeneration } from '@peft/models';
import { expectTypeOf } from 'vitest';
import { type PromptEncoderConfig, promptEncoderConfig, type pTuning } from './index';

declare const llama: LlamaForCausalLM;
declare const bert: BertForSequenceClassification;
declare const t5: T5ForConditionalGeneration;

const model = getPeftModel(llama, promptEncoderConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 8 }));
getPeftModel(bert, promptEncoderConfig({ task_type: 'SEQ_CLS', num_virtual_tokens: 8 }));
getPeftModel(t5, promptEncoderConfig({ task_type: 'SEQ_2_SEQ_LM', num_virtual_tokens: 8, encoder_reparameterization_type: 'LSTM' }));

expectTypeOf(model).toEqualTypeOf<PeftModel<LlamaForCausalLM, typeof pTuning>>();
expectTypeOf(model.peftConfig.default).toMatchTypeOf<PromptEncoderConfig | undefined>();
expectTypeOf(model.adapter().prompt_encoder.embedding.weight.shape).toEqualTypeOf<readonly number[]>();

declare class ImageClassifier extends Module implements BaseModel<{ pixel_values: number[] }> {
  forward(input: { pixel_values: number[] }): { loss?: never };
}
declare const images: ImageClassifier;

// @ts-expect-error the model has no token embeddings
getPeftModel(images, promptEncoderConfig({ task_type: 'SEQ_CLS', num_virtual_tokens: 8 }));
// @ts-expect-error the number of virtual tokens is missing
promptEncoderConfig({ task_type: 'CAUSAL_LM' });
// @ts-expect-error the task is missing
promptEncoderConfig({ num_virtual_tokens: 8 });
// @ts-expect-error there is no such encoder
promptEncoderConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 8, encoder_reparameterization_type: 'GRU' });
