import { readFile } from 'node:fs/promises';
import { formatCount, getPeftModel } from '@peft/core';
import { AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification } from '@peft/models';
import { expect, it } from 'vitest';
import { loraConfig } from './index';

const configOf = async (name: string) =>
  JSON.parse(await readFile(new URL(`../../../fixtures/configs/${name}/config.json`, import.meta.url), 'utf8'));

// No backend is registered here: a tensor could not be made.
// What Python PEFT 0.21 counts with r = 8; of bert's all parameters the trained copy of the classifier is taken off.
it.each([
  ['meta-llama--Llama-2-7b-hf', AutoModelForCausalLM, 'CAUSAL_LM', 4194304, 6742609920],
  ['gpt2', AutoModelForCausalLM, 'CAUSAL_LM', 294912, 124734720],
  ['facebook--opt-350m', AutoModelForCausalLM, 'CAUSAL_LM', 786432, 331982848],
  ['bigscience--bloomz-560m', AutoModelForCausalLM, 'CAUSAL_LM', 786432, 560001024],
  ['bert-base-uncased', AutoModelForSequenceClassification, 'SEQ_CLS', 296450, 109778690],
  ['t5-large', AutoModelForSeq2SeqLM, 'SEQ_2_SEQ_LM', 2359296, 740027392],
  ['bigscience--mt0-large', AutoModelForSeq2SeqLM, 'SEQ_2_SEQ_LM', 2359296, 1231940608],
  ['bert-base-uncased', AutoModel, 'FEATURE_EXTRACTION', 294912, 109777152],
] as const)('counts the parameters of %s from its config alone (%#)', async (name, auto, task_type, trainable, all) => {
  const model = getPeftModel(await auto.fromConfig(await configOf(name)), loraConfig({ r: 8, task_type }));
  expect(model.getNbTrainableParameters()).toEqual([trainable, all]);
});

it('prints them as the guides show it', async () => {
  const lines: string[] = [];
  getPeftModel(await AutoModelForCausalLM.fromConfig(await configOf('gpt2')), loraConfig({ r: 8 })).printTrainableParameters((line) =>
    lines.push(line),
  );
  expect(lines).toEqual(['trainable params: 294912 || all params: 124734720 || trainable%: 0.23643136409814364']);
  expect(formatCount(2359296, 1231940608)).toBe('trainable params: 2359296 || all params: 1231940608 || trainable%: 0.19151053100118282');
});
