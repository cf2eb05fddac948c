import { AutoModelForCausalLM } from '@peft/models';
import { conformance, tinyBase, useTestedEngine } from '@peft/testing';
import { beforeAll, describe, it } from 'vitest';
import { adaptionPromptConfig, llamaAdapter } from './index';

beforeAll(() => useTestedEngine());

describe.each(['llama', 'qwen2', 'gpt2'] as const)('LLaMA-Adapter on %s', (architecture) => {
  const method = {
    tuner: llamaAdapter,
    config: () => adaptionPromptConfig({ task_type: 'CAUSAL_LM', adapter_len: 3, adapter_layers: 2 }),
    ...tinyBase(AutoModelForCausalLM, architecture),
  };
  for (const { name, skip, run } of conformance(method)) (skip ? it.skip : it)(name, run);
});
