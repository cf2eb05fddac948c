import { defaultGenerator, initialize, manualSeed, parameters } from '@peft/core';
import * as models from '@peft/models';
import { tinyConfigs, tinyLabels, tinyText } from '@peft/testing';

const { llama, t5 } = tinyConfigs;
const bert = { ...tinyConfigs.bert, num_labels: 2 };

const tokenClasses = tinyText.input_ids.map((row) => row.map((id) => (id === 0 ? -100 : id % 2)));
const { AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification, AutoModelForTokenClassification } = models;

/** Small models, each with a batch. */
export const bases = {
  llama: { config: llama, task_type: 'CAUSAL_LM', auto: AutoModelForCausalLM, batch: { ...tinyText, labels: tinyLabels } },
  t5: { config: t5, task_type: 'SEQ_2_SEQ_LM', auto: AutoModelForSeq2SeqLM, batch: { ...tinyText, labels: tinyLabels } },
  bert: { config: bert, task_type: 'SEQ_CLS', auto: AutoModelForSequenceClassification, batch: { ...tinyText, labels: [1, 0] } },
  bertForTokens: {
    config: bert,
    task_type: 'TOKEN_CLS',
    auto: AutoModelForTokenClassification,
    batch: { ...tinyText, labels: tokenClasses },
  },
} as const;

export type Base = (typeof bases)[keyof typeof bases];

export const createShapes = ({ auto, config }: Base) => auto.fromConfig(config);

/** The same weights each time, vectors among them random. */
export async function createModel<One extends Base>(one: One): Promise<Awaited<ReturnType<One['auto']['fromConfig']>>> {
  const model = await createShapes(one);
  manualSeed(3);
  initialize(model);
  for (const parameter of parameters(model))
    if (parameter.shape.length === 1) parameter.set(defaultGenerator().normal(parameter.size, 0.7, 0.3));
  return model as Awaited<ReturnType<One['auto']['fromConfig']>>;
}
