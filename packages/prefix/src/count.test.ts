import { readFile } from 'node:fs/promises';
import { formatCount, getPeftModel } from '@peft/core';
import { AutoModelForCausalLM, AutoModelForSeq2SeqLM } from '@peft/models';
import { expect, it } from 'vitest';
import { prefixTuningConfig } from './index';

const configOf = async (name: string) =>
  JSON.parse(await readFile(new URL(`../../../fixtures/configs/${name}/config.json`, import.meta.url), 'utf8'));

// No backend is registered here: a tensor could not be made. Each is V·2·L·token_dim.
it.each([
  ['t5-large', AutoModelForSeq2SeqLM, 'SEQ_2_SEQ_LM', 983040, 738651136],
  ['gpt2', AutoModelForCausalLM, 'CAUSAL_LM', 20 * 2 * 12 * 768, 124439808 + 20 * 2 * 12 * 768],
] as const)('counts the parameters of a prefix of 20 on %s from its config alone', async (name, auto, task_type, trainable, all) => {
  const model = getPeftModel(await auto.fromConfig(await configOf(name)), prefixTuningConfig({ task_type, num_virtual_tokens: 20 }));
  expect(model.getNbTrainableParameters()).toEqual([trainable, all]);
  expect(formatCount(...model.getNbTrainableParameters())).toMatch(new RegExp(`^trainable params: ${trainable} || all params: ${all} `));
});
