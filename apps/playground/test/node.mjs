import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadTuner } from '@peft/auto';
import { initialize, manualSeed, PeftModel } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { AutoModelForCausalLM } from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';

export const startNode = () => useEngine({ engine: 'wasm', log: () => {} });

/** What Node computes with the files of a model, and of an adapter. */
export async function nodeLogits(model, ids, adapter) {
  const base = await AutoModelForCausalLM.fromPretrained(model);
  const config = adapter && JSON.parse(await readFile(join(adapter, 'adapter_config.json'), 'utf8'));
  const subject = adapter ? await PeftModel.fromPretrained(base, adapter, { tuners: [await loadTuner(config.peft_type)] }) : base;
  return tf.tidy(() => [...subject.forward({ input_ids: [ids] }).logits.dataSync()]);
}

/** The greatest difference of two lists of numbers; NaN where they are not of one length. */
export const farthest = (a, b) =>
  a.length === b.length ? a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) : Number.NaN;

/** Writes a model of one small layer, with the tokenizer of another one: graphics computed by the processor are slow. */
export async function writeSmallModel(folder, like) {
  manualSeed(1);
  const config = JSON.parse(await readFile(join(like, 'config.json'), 'utf8'));
  const sizes = {
    hidden_size: 32,
    intermediate_size: 48,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 16,
  };
  const model = await AutoModelForCausalLM.fromConfig({ ...config, ...sizes, initializer_range: 0.2 });
  initialize(model);
  await mkdir(folder, { recursive: true });
  await model.savePretrained(folder);
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'])
    await writeFile(join(folder, name), await readFile(join(like, name)));
}
