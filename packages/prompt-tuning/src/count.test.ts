import { readFile } from 'node:fs/promises';
import { getPeftModel } from '@peft/core';
import { AutoModelForCausalLM } from '@peft/models';
import { expect, it } from 'vitest';
import { promptTuningConfig } from './index';

// No backend is registered here: a tensor could not be made. What Python PEFT 0.21 counts.
it.each([
  ['bigscience--bloomz-560m', 8, 8192, 559222784],
  // Its embeddings are half as wide as its layers, which Python PEFT cannot do.
  ['facebook--opt-350m', 8, 8 * 512, 331196416 + 8 * 512],
] as const)('counts the parameters of %s from its config alone', async (name, num_virtual_tokens, trainable, all) => {
  const file = new URL(`../../../fixtures/configs/${name}/config.json`, import.meta.url);
  const model = await AutoModelForCausalLM.fromConfig(JSON.parse(await readFile(file, 'utf8')));
  expect(getPeftModel(model, promptTuningConfig({ task_type: 'CAUSAL_LM', num_virtual_tokens })).getNbTrainableParameters()).toEqual([
    trainable,
    all,
  ]);
});
