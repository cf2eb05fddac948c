import {
  defaultGenerator,
  disposeModule,
  initialize,
  type Module,
  manualSeed,
  namedParameters,
  setTraining,
  type TextBatch,
  withCheckpointing,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { useTestedEngine } from '../../testing/src/useTestedEngine';
import { AutoModelForCausalLM, AutoModelForSemanticSegmentation, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification } from './auto';

beforeAll(useTestedEngine);

const common = { vocab_size: 31, hidden_size: 8, num_hidden_layers: 6, num_attention_heads: 2, pad_token_id: 0, initializer_range: 0.5 };
const seq2seq = { ...common, d_model: 8, dropout: 0.2, init_std: 0.5, max_position_embeddings: 32, decoder_start_token_id: 0 };
const sides = (heads: string, ffn: string) =>
  Object.fromEntries(
    ['encoder', 'decoder'].flatMap((side) => [
      [`${side}_layers`, 3],
      [`${side}_${heads}`, 2],
      [`${side}_${ffn}`, 12],
    ]),
  );
const input_ids = [
  [5, 9, 30, 7, 22],
  [3, 4, 11, 0, 0],
];
const attention_mask = input_ids.map((row) => row.map((id) => (id === 0 ? 0 : 1)));
const labels = input_ids.map((row) => row.map((id) => (id === 0 ? -100 : id)));
const text: TextBatch = { input_ids, attention_mask, labels };

const cases: Record<
  string,
  [{ fromConfig(config: { model_type: string }): Promise<Module> }, { model_type: string; [field: string]: unknown }, object]
> = {
  llama: [AutoModelForCausalLM, { model_type: 'llama', ...common, intermediate_size: 12, num_key_value_heads: 1 }, text],
  gpt2: [AutoModelForCausalLM, { model_type: 'gpt2', ...common, n_embd: 8, n_layer: 6, n_head: 2 }, text],
  opt: [AutoModelForCausalLM, { model_type: 'opt', ...common, ffn_dim: 12, word_embed_proj_dim: 8, init_std: 0.5 }, text],
  bert: [AutoModelForSequenceClassification, { model_type: 'bert', ...common, intermediate_size: 12 }, { ...text, labels: [1, 0] }],
  deberta: [
    AutoModelForSequenceClassification,
    { model_type: 'deberta-v2', ...common, intermediate_size: 12, relative_attention: true, pos_att_type: ['p2c', 'c2p'] },
    { ...text, labels: [1, 0] },
  ],
  t5: [
    AutoModelForSeq2SeqLM,
    {
      model_type: 't5',
      ...common,
      d_model: 8,
      d_kv: 4,
      d_ff: 12,
      num_layers: 3,
      num_decoder_layers: 3,
      num_heads: 2,
      decoder_start_token_id: 0,
    },
    text,
  ],
  bart: [AutoModelForSeq2SeqLM, { model_type: 'bart', ...seq2seq, ...sides('attention_heads', 'ffn_dim') }, text],
  segformer: [
    AutoModelForSemanticSegmentation,
    {
      model_type: 'segformer',
      num_labels: 3,
      hidden_sizes: [4, 8],
      depths: [3, 3],
      num_encoder_blocks: 2,
      num_attention_heads: [1, 2],
      sr_ratios: [2, 1],
      patch_sizes: [3, 3],
      strides: [2, 2],
      mlp_ratios: [2, 2],
      decoder_hidden_size: 8,
    },
    {
      pixel_values: [0, 1].map((b) =>
        [0, 1, 2].map((c) => Array.from({ length: 8 }, (_, y) => Array.from({ length: 8 }, (_, x) => Math.sin(b + 2 * c + 3 * y + 5 * x)))),
      ),
      labels: [0, 1].map((b) => Array.from({ length: 8 }, (_, y) => Array.from({ length: 8 }, (_, x) => (b + x + y) % 3))),
    },
  ],
};

it.each(Object.entries(cases))(
  '%s, all of it trained, with dropout: the same gradients out of less memory',
  async (_, [auto, config, batch]) => {
    const model = (await auto.fromConfig(config)) as unknown as Parameters<typeof initialize>[0] & {
      forward(batch: object): { loss?: tf.Scalar };
    };
    manualSeed(0);
    initialize(model);
    setTraining(model, true);
    const named = [...namedParameters(model)];
    for (const [, parameter] of named) parameter.trainable = true;
    const values = [...new Set(named.map(([, { value }]) => value))];
    const run = (wrap: (forward: () => tf.Scalar) => tf.Scalar) => {
      manualSeed(1);
      let bytes = 0;
      const before = tf.memory();
      const { value, grads } = tf.variableGrads(() => {
        const loss = wrap(() => model.forward(batch).loss as tf.Scalar);
        bytes = tf.memory().numBytes - before.numBytes;
        return loss;
      }, values);
      const numbers: Record<string, number[]> = {
        loss: [...value.dataSync()],
        ...Object.fromEntries(Object.entries(grads).map(([name, grad]) => [name, [...(grad?.dataSync() ?? [])]])),
      };
      tf.dispose([value, grads]);
      expect(tf.memory().numTensors).toBe(before.numTensors);
      return { numbers, bytes, next: defaultGenerator().next() };
    };
    const kept = run((forward) => forward());
    const again = run(withCheckpointing);
    expect(again.next).toBe(kept.next);
    expect(again.bytes).toBeLessThan(kept.bytes * 0.6);
    const largest = Math.max(...Object.values(kept.numbers).flat().map(Math.abs));
    expect(Object.keys(again.numbers)).toEqual(Object.keys(kept.numbers));
    for (const [name, expected] of Object.entries(kept.numbers))
      for (const [i, value] of expected.entries())
        expect(Math.abs(((again.numbers[name] as number[])[i] as number) - value), name).toBeLessThan(2e-6 * largest);
    disposeModule(model);
  },
);
