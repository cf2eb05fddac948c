import { readFile } from 'node:fs/promises';
import { getPeftModel } from '@peft/core';
import { AutoModelForSequenceClassification } from '@peft/models';
import { expect, it } from 'vitest';
import { promptEncoderConfig } from './index';

// No backend is registered here: a tensor could not be made. What PEFT's guide of p-tuning counts; of all parameters the trained
// copy of the head is taken off where Python counts it beside the original.
it("counts the parameters of PEFT's guide from a config alone", async () => {
  const file = new URL('../../../fixtures/configs/roberta-large/config.json', import.meta.url);
  const model = await AutoModelForSequenceClassification.fromConfig(JSON.parse(await readFile(file, 'utf8')));
  const config = promptEncoderConfig({ task_type: 'SEQ_CLS', num_virtual_tokens: 20, encoder_hidden_size: 128 });
  expect(getPeftModel(model, config).getNbTrainableParameters()).toEqual([1351938, 355662082]);
});
