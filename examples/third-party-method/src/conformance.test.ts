import { AutoModelForCausalLM } from '@peft/models';
import { conformance, tinyBase, useTestedEngine } from '@peft/testing';
import { beforeAll, describe, it } from 'vitest';
import { vera, veraConfig } from './index';

beforeAll(() => useTestedEngine());

const onModel = (architecture: 'llama' | 'gpt2', options: Parameters<typeof veraConfig>[0]) => ({
  tuner: vera,
  config: () => veraConfig({ task_type: 'CAUSAL_LM', r: 6, ...options }),
  ...tinyBase(AutoModelForCausalLM, architecture),
});

describe.each([
  ['Llama', onModel('llama', {})],
  ['Llama, all linear layers', onModel('llama', { target_modules: 'all-linear', save_projection: false })],
  ['GPT-2', onModel('gpt2', {})],
])('VeRA on %s', (_, method) => {
  for (const { name, skip, run } of conformance(method)) (skip ? it.skip : it)(name, run);
});
