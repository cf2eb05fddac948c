import { disposeModule, Embedding, initialize, manualSeed, namedParameters, setTraining, type TextBatch } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { useTestedEngine } from '../../testing/src/useTestedEngine';
import { AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification, AutoModelForTokenClassification } from './auto';
import { openStep } from './shared/step';
import type { TextModel } from './shared/TextModel';

beforeAll(useTestedEngine);

const common = { vocab_size: 31, hidden_size: 8, num_hidden_layers: 2, num_attention_heads: 2, pad_token_id: 0, initializer_range: 0.5 };
const llama = { ...common, intermediate_size: 12, num_key_value_heads: 1, max_position_embeddings: 32 };
const configs: Record<string, { model_type: string; [field: string]: unknown }> = {
  llama: { model_type: 'llama', ...llama },
  mistral: { model_type: 'mistral', ...llama, sliding_window: 3 },
  gemma2: { model_type: 'gemma2', ...llama, head_dim: 4, sliding_window: 3, query_pre_attn_scalar: 4 },
  phi3: { model_type: 'phi3', ...llama, num_key_value_heads: 2, resid_pdrop: 0, embd_pdrop: 0, attention_dropout: 0 },
  gpt_neox: { model_type: 'gpt_neox', ...common, intermediate_size: 12, hidden_dropout: 0, attention_dropout: 0 },
  bloom: { model_type: 'bloom', ...common, n_layer: 2, n_head: 2, hidden_dropout: 0, attention_dropout: 0 },
  opt: { model_type: 'opt', ...common, ffn_dim: 12, word_embed_proj_dim: 8, dropout: 0, init_std: 0.5, max_position_embeddings: 32 },
  gpt2: { model_type: 'gpt2', ...common, n_embd: 8, n_layer: 2, n_head: 2, resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 },
};

const input_ids = [
  [5, 9, 30, 7, 22],
  [3, 4, 11, 0, 0],
  [0, 0, 0, 6, 13],
];
const attention_mask = input_ids.map((row) => row.map((id) => (id === 0 ? 0 : 1)));
const labels = [
  [-100, 9, 30, 7, 22],
  [-100, -100, 11, -100, -100],
  [-100, -100, -100, -100, 13],
];
const classes = labels.map((row) => row.map((label) => (label === -100 ? label : label % 2)));
const batches: Record<string, TextBatch> = {
  'padding on both sides': { input_ids, attention_mask, labels },
  'labels on padding': { input_ids, attention_mask, labels: labels.map((row) => row.map((label) => Math.max(label, 1))) },
  'a label that padding predicts': { input_ids, attention_mask, labels: [...labels.slice(0, 2), [-100, -100, -100, 6, 13]] },
  'positions of their own': { input_ids, attention_mask, labels, position_ids: [[0, 1, 2, 3, 4]] },
};

/** The loss and its gradients, by parameter. */
function lossAndGradients(model: TextModel, batch: TextBatch): Record<string, Float32Array> {
  const parameters = [...namedParameters(model)].filter(([, { trainable }]) => trainable);
  const { value, grads } = tf.variableGrads(
    () => model.forward(batch).loss as tf.Scalar,
    [...new Set(parameters.map(([, parameter]) => parameter.value))],
  );
  const found = Object.fromEntries(parameters.map(([name, { value }]) => [name, grads[value.name]?.dataSync() as Float32Array]));
  const loss = value.dataSync() as Float32Array;
  tf.dispose([value, grads]);
  return { loss, ...found };
}

function expectSame(ours: Record<string, Float32Array>, theirs: Record<string, Float32Array>): void {
  const largest = Math.max(...Object.values(theirs).map((values) => Math.max(...values.map(Math.abs))));
  for (const [name, values] of Object.entries(theirs)) {
    const difference = Math.max(...values.map((value, i) => Math.abs(value - (ours[name]?.[i] ?? Number.NaN))));
    expect(difference, name).toBeLessThan(2e-6 * largest);
  }
}

type Auto = { fromConfig(config: (typeof configs)[string]): Promise<TextModel> };

async function build(config: (typeof configs)[string], auto: Auto = AutoModelForCausalLM): Promise<TextModel> {
  manualSeed(1);
  const model = await auto.fromConfig(config);
  initialize(model);
  for (const [, parameter] of namedParameters(model)) parameter.trainable = true;
  setTraining(model, true);
  return model;
}

/** Padding left out or not, the loss and its gradients are the same. @param computed so many tokens are embedded when it is left out */
async function expectSameWhenWhole(
  auto: Auto,
  config: (typeof configs)[string],
  inputs: TextBatch,
  computed: number,
  training = true,
): Promise<void> {
  const model = await build(config, auto);
  setTraining(model, training);
  const batch: TextBatch = { input_ids, attention_mask, ...inputs };
  const count = countEmbedded(model);
  const packed = lossAndGradients(model, batch);
  expect(count()).toBe(computed);
  expectSame(packed, lossAndGradients(model, { ...batch, whole: true }));
  disposeModule(model);
}

/** A function that tells how many tokens a model has embedded so far. */
function countEmbedded(model: TextModel): () => number {
  const embedding = model.inputEmbeddings() as Embedding;
  const forward = embedding.forward.bind(embedding);
  let count = 0;
  embedding.forward = (ids) => {
    count += ids.size;
    return forward(ids);
  };
  return () => count;
}

describe.each(Object.entries(configs))('%s leaves padding out while training', (_name, config) => {
  it.each(Object.entries(batches))('a language model, %s: the same loss and gradients', async (_, batch) => {
    const model = await build(config);
    const packed = lossAndGradients(model, batch);
    expectSame(packed, lossAndGradients(model, { ...batch, whole: true }));
    disposeModule(model);
  });

  it('a classifier', () => expectSameWhenWhole(AutoModelForSequenceClassification, config, { labels: [0, 1, 1] }, 10));
});

const encoder = { ...common, intermediate_size: 12, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0, max_position_embeddings: 32 };
const encoders: typeof configs = {
  bert: { model_type: 'bert', ...encoder, type_vocab_size: 2 },
  roberta: { model_type: 'roberta', ...encoder, type_vocab_size: 1 },
  'deberta-v2': {
    model_type: 'deberta-v2',
    ...encoder,
    type_vocab_size: 2,
    relative_attention: true,
    pos_att_type: ['c2p', 'p2c'],
    position_buckets: 4,
    conv_kernel_size: 3,
    pooler_dropout: 0,
  },
  distilbert: {
    model_type: 'distilbert',
    ...common,
    dim: 8,
    hidden_dim: 12,
    n_layers: 2,
    n_heads: 2,
    dropout: 0,
    attention_dropout: 0,
    seq_classif_dropout: 0,
  },
};

describe.each(Object.entries(encoders))('%s leaves padding out', (name, config) => {
  const types = name !== 'roberta' && name !== 'distilbert' ? { token_type_ids: input_ids.map((row) => row.map((id) => id % 2)) } : {};

  it.each([true, false])('a classifier, training: %s', (training) =>
    expectSameWhenWhole(AutoModelForSequenceClassification, config, { ...types, labels: [0, 1, 1] }, 13, training),
  );

  it('a classifier of tokens', () => expectSameWhenWhole(AutoModelForTokenClassification, config, { ...types, labels: classes }, 10));
});

const seq2seq: typeof configs = {
  t5: { model_type: 't5', vocab_size: 31, d_model: 8, d_kv: 4, d_ff: 12, num_layers: 2, num_heads: 2, dropout_rate: 0, pad_token_id: 0 },
  bart: {
    model_type: 'bart',
    ...common,
    d_model: 8,
    encoder_layers: 2,
    decoder_layers: 2,
    encoder_attention_heads: 2,
    decoder_attention_heads: 2,
    encoder_ffn_dim: 12,
    decoder_ffn_dim: 12,
    dropout: 0,
    init_std: 0.5,
    max_position_embeddings: 32,
  },
};

it.each(Object.entries(seq2seq))('%s leaves out padding of what its encoder reads while training', (_, config) =>
  expectSameWhenWhole(AutoModelForSeq2SeqLM, { decoder_start_token_id: 0, ...config }, { labels }, 25),
);

it.each([1, 3, 5])('logits of the %i last positions are what they are among all', async (logits_to_keep) => {
  const model = await build(configs.llama as (typeof configs)[string]);
  setTraining(model, false);
  tf.tidy(() => {
    const logits = (batch: TextBatch) => model.forward({ input_ids, attention_mask, ...batch }).logits as tf.Tensor3D;
    const last = tf.slice(logits({}), [0, 5 - logits_to_keep, 0]);
    expect(tf.max(tf.abs(tf.sub(logits({ logits_to_keep }), last))).dataSync()[0]).toBeLessThan(1e-5);
  });
  disposeModule(model);
});

it('computes what is attended, and the whole of a sequence whose padding is needed', () => {
  tf.tidy(() => {
    const embedding = new Embedding(31, 8);
    embedding.weight.initialize();
    const { hidden, step } = openStep({ input_ids, attention_mask }, embedding, () => [9]);
    expect([...(step.rows ?? [])]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14]);
    expect(hidden.shape).toEqual([12, 8]);
    expect(openStep({ input_ids, attention_mask }, embedding).step.rows).toBeUndefined();
    expect(openStep({ input_ids }, embedding, () => [9]).step.rows).toBeUndefined();
    embedding.weight.dispose();
  });
});
