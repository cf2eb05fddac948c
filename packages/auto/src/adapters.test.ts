import '@tensorflow/tfjs-backend-wasm';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  folder,
  makeConfig,
  memory,
  memorySink,
  openCheckpoint,
  PeftConfig,
  PeftModel,
  readJson,
  type StoredTensor,
  setWarningHandler,
} from '@peft/core';
import { autoClassFor } from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTuner } from './loadTuner';

/** Adapters from public repositories; they are not ours to ship. */
const found = fileURLToPath(new URL('../../../../shared/data/adapters', import.meta.url));
const folders = existsSync(found) ? readdirSync(found).filter((name) => existsSync(`${found}/${name}/adapter_config.json`)) : [];

/** What is known of the base models, by the end of an adapter's folder; small vocabularies, which no adapter here looks at. */
const bases: readonly (readonly [name: RegExp, architecture: string, config: Record<string, unknown>])[] = [
  [
    /deltacompression/,
    'GPTNeoXForCausalLM',
    { model_type: 'gpt_neox', hidden_size: 2048, num_hidden_layers: 24, num_attention_heads: 16, intermediate_size: 8192 },
  ],
  [
    /opt-350m/,
    'OPTForCausalLM',
    {
      model_type: 'opt',
      hidden_size: 1024,
      num_hidden_layers: 24,
      num_attention_heads: 16,
      ffn_dim: 4096,
      word_embed_proj_dim: 512,
      do_layer_norm_before: false,
    },
  ],
  [
    /opt-125m/,
    'OPTForCausalLM',
    { model_type: 'opt', hidden_size: 768, num_hidden_layers: 12, num_attention_heads: 12, ffn_dim: 3072, word_embed_proj_dim: 768 },
  ],
  [/BLOOM/, 'BloomForCausalLM', { model_type: 'bloom', hidden_size: 1024, n_layer: 24, n_head: 16 }],
  [
    /alpaca/,
    'LlamaForCausalLM',
    { model_type: 'llama', hidden_size: 4096, num_hidden_layers: 32, num_attention_heads: 32, intermediate_size: 11008 },
  ],
];

/** What Python PEFT 0.21 refuses, and that ours are the same reasons. */
const refused: readonly (readonly [name: RegExp, reason: RegExp])[] = [
  [/lerobot-libero/, /no peft_type/],
  [/peft_mrpc/, /no method is known for peft_type "FINEGATES"/],
  [/adalora_mlp/, /total_step, the number of training steps, must be given/],
  // Python, too, finds no directory of the archive's files at the end.
  [/lora_alpaca/, /adapter_model\.bin.*(archive|zip)/i],
  // Of a first version with merged layers: its shapes do not fit what the config says.
  [/BLOOM-LORA/, /wrong shape: .*query_key_value\.lora_A\.weight is \[16,1024\] in the file and \[8,1024\]/],
];

const configOf = async (path: string) => {
  const raw = (await readJson(folder(path), 'adapter_config.json')) as Record<string, unknown>;
  const tuner = await loadTuner(raw.peft_type);
  return { raw, tuner, config: makeConfig(tuner, raw, { fromFile: true }) as unknown as Record<string, unknown> };
};

async function load(name: string) {
  const path = `${found}/${name}`;
  const { tuner } = await configOf(path);
  const [, architecture, config] = bases.find(([pattern]) => pattern.test(name)) ?? [];
  if (!architecture || !config) return undefined;
  const base = await autoClassFor(architecture).fromConfig({ vocab_size: 100, ...config });
  return PeftModel.fromPretrained(base, path, { tuners: [tuner] });
}

const valuesOf = async (checkpoint: ReadonlyMap<string, StoredTensor>) =>
  Object.fromEntries(
    await Promise.all(
      [...checkpoint].map(async ([key, { shape, data }]) => [key, { shape: [...shape], values: [...(await data())] }] as const),
    ),
  );

beforeAll(async () => {
  await tf.setBackend('wasm');
  setWarningHandler(() => {});
});
afterAll(() => setWarningHandler(undefined));

describe.skipIf(folders.length === 0)(
  'adapters from public repositories (they are not ours to ship: skipped where they are not at hand)',
  () => {
    it.each(folders)('%s', async (name) => {
      const reason = refused.find(([pattern]) => pattern.test(name))?.[1];
      if (reason) return expect(load(name)).rejects.toThrow(reason);
      const path = `${found}/${name}`;
      const stored = await valuesOf(await openCheckpoint(folder(path), 'adapter_model'));
      expect(Object.keys(stored).length).toBeGreaterThan(0);
      expect(Object.values(stored).every(({ values }) => values.every(Number.isFinite))).toBe(true);

      const { raw, config, tuner } = await configOf(path);
      const model = await load(name);
      const sink = memorySink();
      if (model) {
        await model.savePretrained(sink);
        const saved = await openCheckpoint(memory(sink.files), 'adapter_model');
        expect(await valuesOf(saved)).toEqual(stored);
        // Also where the file held halves.
        expect([...saved.values()].every(({ dtype }) => dtype === 'F32')).toBe(true);
        model.dispose();
      } else await PeftConfig.savePretrained(config as never, sink);
      // What the file says, over the defaults of today, in the state that Python saves.
      const saved = (await readJson(memory(sink.files), 'adapter_config.json')) as Record<string, unknown>;
      expect(Object.keys(saved)).toEqual([...new Set([...Object.keys(tuner.fields), ...Object.keys(raw)])].sort());
      const sorted = (value: unknown) => (Array.isArray(value) ? [...value].sort() : value);
      for (const [field, value] of Object.entries(config))
        if (field !== 'inference_mode') expect(sorted(saved[field]), field).toEqual(sorted(value));
      expect(saved.inference_mode).toBe(true);
    });

    it('are all there', () => expect(folders).toHaveLength(18));
  },
);
