import { readFile } from 'node:fs/promises';
import { getPeftModel, setWarningHandler } from '@peft/core';
import { AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification } from '@peft/models';
import { beforeAll, expect, it } from 'vitest';
import { type LoraConfig, loraConfig } from './index';
import type { LoraEmbedding } from './LoraEmbedding';
import type { LoraLinear } from './LoraLinear';

/** What fixtures/matching.py found Python PEFT to do. */
interface Case {
  model: keyof typeof models;
  options: Partial<LoraConfig>;
  /** By key: rank and scale. */
  layers?: Record<string, [number, number]>;
  target_modules?: string | string[];
  error?: string;
}
const cases: Case[] = JSON.parse(await readFile(new URL('./fixtures/matching.json', import.meta.url), 'utf8'));

const sizes = { vocab_size: 11, hidden_size: 4, intermediate_size: 6, num_hidden_layers: 3, num_attention_heads: 2 };
const gpt2 = { model_type: 'gpt2', vocab_size: 11, n_embd: 4, n_layer: 2, n_head: 2 };
const models = {
  llama: () => AutoModelForCausalLM.fromConfig({ model_type: 'llama', ...sizes }),
  gpt2: () => AutoModelForCausalLM.fromConfig(gpt2),
  'gpt2-bare': () => AutoModel.fromConfig(gpt2),
  'bert-seq-cls': () => AutoModelForSequenceClassification.fromConfig({ model_type: 'bert', ...sizes, num_hidden_layers: 2 }),
  t5: () =>
    AutoModelForSeq2SeqLM.fromConfig({ model_type: 't5', vocab_size: 11, d_model: 4, d_kv: 2, d_ff: 6, num_layers: 2, num_heads: 2 }),
};

beforeAll(() => {
  setWarningHandler(() => {});
});

it.each(cases.map((one) => [one.model, JSON.stringify(one.options), one] as const))('%s %s', async (_model, _options, expected) => {
  const base = await models[expected.model]();
  const attach = () => getPeftModel(base, loraConfig(structuredClone(expected.options)));
  if (expected.error) {
    expect(attach).toThrow();
    return;
  }
  const model = attach();
  const layers = Object.entries(model.adapter().layers).map(([key, layer]) => {
    const { lora_A, lora_embedding_A } = layer as unknown as Partial<LoraLinear & LoraEmbedding>;
    return [key, [(lora_A?.default?.weight ?? lora_embedding_A?.default)?.shape[0], layer.scaling.default]];
  });
  expect(Object.fromEntries(layers)).toEqual(expected.layers);
  const { target_modules } = model.peftConfig.default as LoraConfig;
  expect(target_modules).toEqual(expected.target_modules);
});
