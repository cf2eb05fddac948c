import '@tensorflow/tfjs-backend-wasm';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getPeftModel, memorySink, PeftModel } from '@peft/core';
import { AutoModelForCausalLM, AutoTokenizer } from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { COMMIT, startHub, type TestHub, TOKEN } from '../../core/src/files/fixtures/hubServer';
import { lora, loraConfig } from './index';

const folder = fileURLToPath(new URL('../../../models/sotu-0.9m', import.meta.url));
beforeAll(async () => {
  await tf.setBackend('wasm');
});

const adapted = async (task_type: 'CAUSAL_LM' | null = 'CAUSAL_LM') => {
  const base = await AutoModelForCausalLM.fromPretrained(folder);
  Object.assign(base, { name_or_path: 'owner/base' });
  return getPeftModel(base, loraConfig({ task_type }));
};
const cardOf = async (model: { savePretrained(sink: ReturnType<typeof memorySink>): Promise<void> }) => {
  const sink = memorySink();
  await model.savePretrained(sink);
  return new TextDecoder().decode(sink.files['README.md']);
};

describe('the model card', () => {
  it('has the fields that Python PEFT writes', async () => {
    const fields = (pipeline: string) =>
      `---\nbase_model: owner/base\nlibrary_name: peft\n${pipeline}tags:\n- base_model:adapter:owner/base\n- lora\n- transformers\n---\n`;
    const card = await cardOf(await adapted());
    expect(card.startsWith(fields('pipeline_tag: text-generation\n'))).toBe(true);
    expect(card.trimEnd().endsWith('### Framework versions\n\n- PEFT 0.21.0')).toBe(true);
    expect((await cardOf(await adapted(null))).startsWith(fields(''))).toBe(true);
  });

  it('keeps the text and the other fields of one that is there, and does not grow', async () => {
    const model = await adapted();
    const path = await mkdtemp(join(tmpdir(), 'card-'));
    try {
      const own =
        '---\nlicense: mit\ntags: [whales, lora]\nmodel-index:\n- name: x\n  results: []\n---\n# Mine\n\nWords: yes.\n\n### Framework versions\n\n- tfjs 4\n';
      await writeFile(join(path, 'README.md'), own);
      await model.savePretrained(path);
      const card = await readFile(join(path, 'README.md'), 'utf8');
      expect(card).toBe(
        '---\nbase_model: owner/base\nlibrary_name: peft\nlicense: mit\nmodel-index:\n- name: x\n  results: []\npipeline_tag: text-generation\n' +
          'tags:\n- base_model:adapter:owner/base\n- lora\n- transformers\n- whales\n---\n# Mine\n\nWords: yes.\n\n### Framework versions\n\n- PEFT 0.21.0\n- tfjs 4\n',
      );
      await model.savePretrained(path);
      expect(await readFile(join(path, 'README.md'), 'utf8')).toBe(card);
      await PeftModel.fromPretrained(await AutoModelForCausalLM.fromPretrained(folder), path, { tuners: [lora] });
    } finally {
      await rm(path, { recursive: true });
    }
  });
});

describe('on the hub', () => {
  let server: TestHub;
  let cache: string;
  beforeEach(async () => {
    cache = await mkdtemp(join(tmpdir(), 'hub-'));
    vi.stubEnv('HF_HUB_CACHE', cache);
    server = await startHub({ 'README.md': new TextEncoder().encode('---\nlicense: mit\n---\n# Theirs\n') });
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await server.close();
    await rm(cache, { recursive: true });
  });

  it('adapter, card and tokenizer are written, and a card that is there is kept up', async () => {
    const options = { endpoint: server.endpoint, token: TOKEN };
    expect(await (await adapted()).pushToHub('owner/name', options)).toContain(COMMIT);
    expect(Object.keys(server.pushed).sort()).toEqual(['(message)', 'README.md', 'adapter_config.json', 'adapter_model.safetensors']);
    expect(server.pushed['README.md']).toMatch(/^---\nbase_model: owner\/base\n[\s\S]*license: mit[\s\S]*# Theirs/);
    await (await AutoTokenizer.fromPretrained(folder)).pushToHub('owner/name', options);
    expect(Object.keys(server.pushed)).toEqual(expect.arrayContaining(['tokenizer.json', 'tokenizer_config.json']));
  });
});
