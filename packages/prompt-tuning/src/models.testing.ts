import { defaultGenerator, initialize, manualSeed, parameters } from '@peft/core';
import * as models from '@peft/models';
import { tinyConfigs, tinyLabels, tinyText } from '@peft/testing';

const sizes = { hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 4 };
const words = { vocab_size: 61, pad_token_id: 0, initializer_range: 0.2 };
const classes = { id2label: { 0: 'a', 1: 'b', 2: 'c' } };
const { llama, t5 } = tinyConfigs;
const bert = { ...tinyConfigs.bert, ...classes };
const gpt2 = { ...tinyConfigs.gpt2, pad_token_id: 0 };
/** Embeddings narrower than the layers. */
const opt = {
  ...sizes,
  ...words,
  model_type: 'opt',
  word_embed_proj_dim: 8,
  ffn_dim: 24,
  max_position_embeddings: 32,
  do_layer_norm_before: false,
  // Finite differences do not agree with gradients across ReLU's kink.
  activation_function: 'gelu',
  dropout: 0,
};
const distilbert = {
  ...words,
  ...classes,
  model_type: 'distilbert',
  dim: 16,
  hidden_dim: 24,
  n_layers: 2,
  n_heads: 4,
  dropout: 0,
  attention_dropout: 0,
  seq_classif_dropout: 0,
  qa_dropout: 0,
};

const tokenClasses = tinyText.input_ids.map((row) => row.map((id) => (id === 0 ? -100 : id % 3)));
const answers = { start_positions: [1, 0], end_positions: [4, 9] };
const { AutoModel, AutoModelForCausalLM, AutoModelForQuestionAnswering, AutoModelForSeq2SeqLM } = models;
const { AutoModelForSequenceClassification, AutoModelForTokenClassification } = models;

/** Small models of every task, each with a batch. */
export const cases = [
  { name: 'Llama', config: llama, task_type: 'CAUSAL_LM', auto: AutoModelForCausalLM, batch: { ...tinyText, labels: tinyLabels } },
  { name: 'GPT-2', config: gpt2, task_type: 'CAUSAL_LM', auto: AutoModelForCausalLM, batch: { ...tinyText, labels: tinyLabels } },
  {
    name: 'OPT with projected embeddings',
    config: opt,
    task_type: 'CAUSAL_LM',
    auto: AutoModelForCausalLM,
    batch: { ...tinyText, labels: tinyLabels },
  },
  { name: 'T5', config: t5, task_type: 'SEQ_2_SEQ_LM', auto: AutoModelForSeq2SeqLM, batch: { ...tinyText, labels: tinyLabels } },
  {
    name: 'BERT for classes',
    config: bert,
    task_type: 'SEQ_CLS',
    auto: AutoModelForSequenceClassification,
    batch: { ...tinyText, labels: [1, 2] },
  },
  {
    name: 'DistilBERT for classes',
    config: distilbert,
    task_type: 'SEQ_CLS',
    auto: AutoModelForSequenceClassification,
    batch: { ...tinyText, labels: [1, 2] },
  },
  {
    name: 'BERT for tokens',
    config: bert,
    task_type: 'TOKEN_CLS',
    auto: AutoModelForTokenClassification,
    batch: { ...tinyText, labels: tokenClasses },
  },
  {
    name: 'BERT for answers',
    config: bert,
    task_type: 'QUESTION_ANS',
    auto: AutoModelForQuestionAnswering,
    batch: { ...tinyText, ...answers },
  },
  { name: 'BERT as it is', config: bert, task_type: 'FEATURE_EXTRACTION', auto: AutoModel, batch: tinyText },
] as const;

export type Case = (typeof cases)[number];

export const createShapes = ({ auto, config }: Case) => auto.fromConfig(config);

/** The same weights each time, vectors among them random. */
export async function createModel(one: Case) {
  const model = await createShapes(one);
  manualSeed(3);
  initialize(model);
  // The mean square of what a norm with weights of one gives is always the same.
  for (const parameter of parameters(model))
    if (parameter.shape.length === 1) parameter.set(defaultGenerator().normal(parameter.size, 0.7, 0.3));
  return model;
}

/** Why the suite's test of unloading does not hold for a task. */
export const unloads = ({ task_type }: Case) =>
  ['SEQ_CLS', 'TOKEN_CLS', 'QUESTION_ANS'].includes(task_type)
    ? { 'unloading gives the base back, to the bit': 'as in Python PEFT the trained head stays' }
    : {};
