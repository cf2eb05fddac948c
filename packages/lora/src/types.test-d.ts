import { getPeftModel, type PeftModel } from '@peft/core';
import type { LlamaForCausalLM } from '@peft/models';
import { expectTypeOf } from 'vitest';
import { type LoraConfig, type lora, loraConfig } from './index';

declare const llama: LlamaForCausalLM;

const model = getPeftModel(llama, loraConfig({ r: 8, lora_alpha: 32, target_modules: ['q_proj', 'v_proj'] }));

// The config carries its method, so model, config and adapter are those of LoRA.
expectTypeOf(model).toEqualTypeOf<PeftModel<LlamaForCausalLM, typeof lora>>();
expectTypeOf(model.peftConfig.default).toMatchTypeOf<LoraConfig | undefined>();
expectTypeOf(model.mergeAndUnload()).toEqualTypeOf<LlamaForCausalLM>();
expectTypeOf(model.adapter().layers).toMatchTypeOf<Readonly<Record<string, object>>>();
model.addWeightedAdapter(['a', 'b'], [0.5, 0.5], 'c', { combination_type: 'ties', density: 0.5 });
void model.generate({ input_ids: [[1, 2]], max_new_tokens: 3, adapter_names: ['default'] });

// @ts-expect-error a field is misspelt
loraConfig({ lora_apha: 32 });
// @ts-expect-error there is no such combination
model.addWeightedAdapter(['a'], [1], 'c', { combination_type: 'sum' });
// @ts-expect-error the batch has another form
model.forward({ input_ids: 'text' });
// @ts-expect-error a string is no model
getPeftModel('gpt2', loraConfig({}));
