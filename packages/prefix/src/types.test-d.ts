import { type BaseModel, getPeftModel, Module, type PeftModel } from '@peft/core';
import type { BertForSequenceClassification, LlamaForCausalLM, T5ForConditionalGeneration } from '@peft/models';
import { expectTypeOf } from 'vitest';
import { type PrefixTuningConfig, type prefixTuning, prefixTuningConfig } from './index';

declare const llama: LlamaForCausalLM;
declare const bert: BertForSequenceClassification;
declare const t5: T5ForConditionalGeneration;

const model = getPeftModel(llama, prefixTuningConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens: 20 }));
getPeftModel(bert, prefixTuningConfig({ task_type: 'SEQ_CLS', num_virtual_tokens: 20, prefix_projection: true }));
getPeftModel(t5, prefixTuningConfig({ task_type: 'SEQ_2_SEQ_LM', num_virtual_tokens: 20, init_weights: 'zero' }));

// The config carries its method, so model, config and adapter are those of prefix tuning.
expectTypeOf(model).toEqualTypeOf<PeftModel<LlamaForCausalLM, typeof prefixTuning>>();
expectTypeOf(model.peftConfig.default).toMatchTypeOf<PrefixTuningConfig | undefined>();
void model.generate({ input_ids: [[1, 2]], max_new_tokens: 3 });

declare class ImageClassifier extends Module implements BaseModel<{ pixel_values: number[] }> {
  forward(input: { pixel_values: number[] }): { loss?: never };
}
declare const images: ImageClassifier;

// @ts-expect-error its forward pass takes no keys and values of earlier positions
getPeftModel(images, prefixTuningConfig({ num_virtual_tokens: 20 }));
// @ts-expect-error the number of virtual tokens is missing
prefixTuningConfig({ task_type: 'CAUSAL_LM' });
// @ts-expect-error there is no such initialisation
prefixTuningConfig({ num_virtual_tokens: 20, init_weights: 'zeros' });
