import { getPeftModel, type PeftModel } from '@peft/core';
import type { LlamaForCausalLM } from '@peft/models';
import type { Optimizer } from '@peft/train';
import { expectTypeOf } from 'vitest';
import { type AdaLoraConfig, type adaLora, adaLoraConfig } from './index';

declare const llama: LlamaForCausalLM;
declare const optimizer: Optimizer;

const model = getPeftModel(llama, adaLoraConfig({ total_step: 100, init_r: 6, target_r: 3, deltaT: 10 }));

// The config carries its method, so the adapter has AdaLoRA's schedule.
expectTypeOf(model).toEqualTypeOf<PeftModel<LlamaForCausalLM, typeof adaLora>>();
expectTypeOf(model.adapter().updateAndAllocate(1, optimizer.gradients)).toEqualTypeOf<number | undefined>();
expectTypeOf(model.peftConfig.default).toMatchTypeOf<AdaLoraConfig | undefined>();
expectTypeOf(model.peftConfig.default?.rank_pattern).toEqualTypeOf<Record<string, boolean[]> | null | undefined>();
expectTypeOf(model.mergeAndUnload()).toEqualTypeOf<LlamaForCausalLM>();

// @ts-expect-error the number of training steps must be given
adaLoraConfig({ init_r: 6 });
// @ts-expect-error a field is misspelt
adaLoraConfig({ total_step: 100, delta_t: 10 });
// @ts-expect-error a step alone says nothing of importance
model.adapter().updateAndAllocate(1);
// @ts-expect-error AdaLoRA's adapters cannot be combined
model.addWeightedAdapter(['a'], [1], 'b', { combination_type: 'svd' });
