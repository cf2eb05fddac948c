import { defaultGenerator, initialize, manualSeed, parameters } from '@peft/core';
import * as models from '@peft/models';

const sizes = { vocab_size: 61, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 24 };
const llama = { ...sizes, model_type: 'llama', num_key_value_heads: 2, pad_token_id: 0, initializer_range: 0.2 };
const bert = {
  ...sizes,
  model_type: 'bert',
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
  pad_token_id: 0,
  initializer_range: 0.2,
};
const t5 = {
  vocab_size: 61,
  model_type: 't5',
  d_model: 16,
  d_kv: 4,
  d_ff: 24,
  // Finite differences do not agree with gradients across ReLU's kink.
  feed_forward_proj: 'gated-gelu',
  num_layers: 2,
  num_heads: 4,
  dropout_rate: 0,
  initializer_factor: 0.5,
  decoder_start_token_id: 0,
  pad_token_id: 0,
};

const input_ids = [
  [5, 9, 31, 7, 22, 58],
  [3, 3, 40, 12, 0, 0],
];
const text = { input_ids, attention_mask: input_ids.map((row) => row.map((id) => Number(id !== 0))) };
const labels = input_ids.map((row) => row.map((id) => (id === 0 ? -100 : id)));
const tokenClasses = input_ids.map((row) => row.map((id) => (id === 0 ? -100 : id % 2)));
const { AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification, AutoModelForTokenClassification } = models;

/** Small models, each with a batch. */
export const bases = {
  llama: { config: llama, task_type: 'CAUSAL_LM', auto: AutoModelForCausalLM, batch: { ...text, labels } },
  t5: { config: t5, task_type: 'SEQ_2_SEQ_LM', auto: AutoModelForSeq2SeqLM, batch: { ...text, labels } },
  bert: { config: bert, task_type: 'SEQ_CLS', auto: AutoModelForSequenceClassification, batch: { ...text, labels: [1, 0] } },
  bertForTokens: { config: bert, task_type: 'TOKEN_CLS', auto: AutoModelForTokenClassification, batch: { ...text, labels: tokenClasses } },
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
