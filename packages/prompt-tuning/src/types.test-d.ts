import { type BaseModel, getPeftModel, Module, type PeftModel } from '@peft/core';
import type { BertForSequenceClassification, LlamaForCausalLM, T5ForConditionalGeneration } from '@peft/models';
import { expectTypeOf } from 'vitest';
import { type PromptTuningConfig, type promptTuning, promptTuningConfig } from './index';

declare const llama: LlamaForCausalLM;
declare const bert: BertForSequenceClassification;
declare const t5: T5ForConditionalGeneration;

const model = getPeftModel(llama, promptTuningConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 8 }));
getPeftModel(bert, promptTuningConfig({ task_type: 'SEQ_CLS', num_virtual_tokens: 8 }));
getPeftModel(t5, promptTuningConfig({ task_type: 'SEQ_2_SEQ_LM', num_virtual_tokens: 8, prompt_tuning_init: 'SAMPLE_VOCAB' }));

expectTypeOf(model).toEqualTypeOf<PeftModel<LlamaForCausalLM, typeof promptTuning>>();
expectTypeOf(model.peftConfig.default).toMatchTypeOf<PromptTuningConfig | undefined>();
expectTypeOf(model.adapter().embedding.shape).toEqualTypeOf<readonly number[]>();

declare class ImageClassifier extends Module implements BaseModel<{ pixel_values: number[] }> {
  forward(input: { pixel_values: number[] }): { loss?: never };
}
declare const images: ImageClassifier;

// @ts-expect-error the model has no token embeddings
getPeftModel(images, promptTuningConfig({ task_type: 'SEQ_CLS', num_virtual_tokens: 8 }));
// @ts-expect-error the number of virtual tokens is missing
promptTuningConfig({ task_type: 'CAUSAL_LM' });
// @ts-expect-error the task is missing
promptTuningConfig({ num_virtual_tokens: 8 });
// @ts-expect-error there is no such start
promptTuningConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 8, prompt_tuning_init: 'ZEROS' });
