import { getPeftModel, type PeftModel } from '@peft/core';
import type { LlamaForCausalLM } from '@peft/models';
import { expectTypeOf } from 'vitest';
import { type IA3Config, type Ia3Layer, type ia3, ia3Config } from './index';

declare const llama: LlamaForCausalLM;

const model = getPeftModel(llama, ia3Config({ task_type: 'CAUSAL_LM', target_modules: ['v_proj'], feedforward_modules: [] }));

// The config carries its method, so model, config and adapter are those of (IA)³.
expectTypeOf(model).toEqualTypeOf<PeftModel<LlamaForCausalLM, typeof ia3>>();
expectTypeOf(model.peftConfig.default).toMatchTypeOf<IA3Config | undefined>();
expectTypeOf(model.adapter().layers).toEqualTypeOf<Readonly<Record<string, Ia3Layer>>>();
model.addWeightedAdapter(['a', 'b'], [0.5, 0.5], 'c');

// @ts-expect-error there is no rank
ia3Config({ r: 8 });
// @ts-expect-error a sum has no types
model.addWeightedAdapter(['a', 'b'], [0.5, 0.5], 'c', { combination_type: 'svd' });
