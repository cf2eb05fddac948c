import '@tensorflow/tfjs-backend-wasm';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { adaLora } from '@peft/adalora';
import { parseSafetensors, setWarningHandler, type TensorToWrite, writeSafetensors } from '@peft/core';
import { lora } from '@peft/lora';
import { AutoModelForCausalLM } from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CaseResult, type ReferenceModel, runReference, Unsupported } from '../index';
import type { Values } from './readCase';

const llama = fileURLToPath(new URL('../../../../fixtures/reference/llama-causal-lm', import.meta.url));

let root: string;

beforeAll(async () => {
  await tf.setBackend('wasm');
  setWarningHandler(() => {});
});
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'reference-'));
  await mkdir(join(root, 'llama-causal-lm'));
  for (const part of ['inputs.safetensors', 'base', 'lora', 'lora-pissa', 'combinations'])
    await cp(join(llama, part), join(root, 'llama-causal-lm', part), { recursive: true });
});
afterEach(() => rm(root, { recursive: true }));

const at = (...parts: string[]) => join(root, 'llama-causal-lm', ...parts);

async function run(filter: string, { tuners = [lora], known = true } = {}): Promise<CaseResult> {
  const loadModel = async (path: string) => {
    if (!known) throw new Unsupported('no such architecture');
    return (await AutoModelForCausalLM.fromPretrained(path)) as ReferenceModel;
  };
  for await (const result of runReference(root, { tuners, loadModel, filter })) return result;
  throw new Error('no case');
}

/** Changes tensors of a case's file. */
async function change(path: string, edit: (tensors: Record<string, TensorToWrite>) => void): Promise<void> {
  const tensors: Record<string, TensorToWrite> = {};
  for (const [name, { dtype, shape, data }] of await parseSafetensors(await readFile(path)))
    tensors[name] = { dtype, shape, data: (await data()) as Float32Array };
  edit(tensors);
  await writeFile(path, writeSafetensors(tensors));
}

/** Moves one value of a tensor by a part of its largest. */
const move = (name: string, part: number) => (tensors: Record<string, TensorToWrite>) => {
  const { data } = tensors[name] as { data: Float32Array };
  data[0] = (data[0] as number) + part * Math.max(...data.map(Math.abs));
};

const matrix = 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight';

describe('runReference', () => {
  it.each(['/base', '/lora', '/lora-pissa', '/combinations'])('passes %s and keeps no tensors', async (name) => {
    const before = tf.memory().numTensors;
    expect(await run(name)).toMatchObject({ status: 'passed' });
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    ['logits', 'logits', 2e-5],
    ['gradients', `grad.${matrix}`, 2e-4],
    ['parameters', `parameter.${matrix}`, 1e-5],
    ['merged', 'merged.model.layers.0.self_attn.q_proj.weight', 2e-5],
    ['merged_output', 'merged_output.logits', 2e-5],
  ])('fails where %s are off', async (word, tensor, part) => {
    await change(at('lora', 'expected.safetensors'), move(tensor, part));
    const { status, reason } = await run('/lora');
    expect(status).toBe('failed');
    expect(reason).toContain(word.slice(0, 6));
  });

  it('fails where a trained value, a loss, a count, a greedy id or a saved byte is off', async () => {
    const original = await readFile(at('lora', 'expected.json'), 'utf8');
    const edits: [
      string,
      (expected: { adamw: { losses: number[] }; trainable_parameters: number; all_parameters: number; greedy: number[][] }) => void,
    ][] = [
      ['loss of step 4', ({ adamw }) => void adamw.losses.push((adamw.losses.pop() as number) * 1.001)],
      ['trainable parameters', (expected) => void expected.trainable_parameters++],
      ['all parameters', (expected) => void expected.all_parameters++],
      ['greedy ids', (expected) => void (expected.greedy[0] as number[]).splice(-1, 1, 96)],
    ];
    for (const [word, edit] of edits) {
      const expected = JSON.parse(original);
      edit(expected);
      await writeFile(at('lora', 'expected.json'), JSON.stringify(expected));
      const { status, reason } = await run('/lora');
      expect([word, status]).toEqual([word, 'failed']);
      expect(reason).toContain(word);
    }
    await writeFile(at('lora', 'expected.json'), original);
    await change(at('lora', 'expected.safetensors'), move(`trained.${matrix}`, 0.05));
    expect((await run('/lora')).reason).toContain(`trained ${matrix}`);
  });

  it('follows a schedule step by step, and fails where a budget, a count of values, a loss or the reloaded model is off', async () => {
    await cp(join(llama, 'adalora-schedule'), at('adalora-schedule'), { recursive: true });
    const schedule = () => run('/adalora-schedule', { tuners: [adaLora as never] });
    const before = tf.memory().numTensors;
    expect(await schedule()).toMatchObject({ status: 'passed', errors: { losses: expect.any(Number), trained: expect.any(Number) } });
    expect(tf.memory().numTensors).toBe(before);
    const original = await readFile(at('adalora-schedule', 'expected.json'), 'utf8');
    const edits: [string, (expected: { budgets: unknown[]; losses: number[]; nonzero_E: Record<string, number>[] }) => void][] = [
      ['budget of step 4', ({ budgets }) => void budgets.splice(3, 1, 44)],
      [
        'after step 6',
        ({ nonzero_E }) => void Object.keys(nonzero_E[5] ?? {}).forEach((name) => Object.assign(nonzero_E[5] ?? {}, { [name]: 7 })),
      ],
      ['loss of step 16', ({ losses }) => void losses.push((losses.pop() as number) * 1.001)],
    ];
    for (const [word, edit] of edits) {
      const expected = JSON.parse(original);
      edit(expected);
      await writeFile(at('adalora-schedule', 'expected.json'), JSON.stringify(expected));
      expect((await schedule()).reason).toContain(word);
    }
    await writeFile(at('adalora-schedule', 'expected.json'), original);
    await change(at('adalora-schedule', 'expected.safetensors'), move('reloaded.logits', 0.01));
    expect((await schedule()).reason).toContain('logits of the reloaded model');
  });

  it('accepts a case without some of its parts', async () => {
    await writeFile(at('lora', 'expected.json'), '{}');
    await change(at('lora', 'expected.safetensors'), (tensors) => {
      for (const name of Object.keys(tensors)) if (name !== 'logits') delete tensors[name];
    });
    const result = await run('/lora');
    expect(result.status).toBe('passed');
    expect(Object.keys(result.errors)).toEqual(['outputs']);
    await rm(at('lora', 'expected.json'));
    await rm(at('lora', 'expected.safetensors'));
    expect(await run('/lora')).toMatchObject({ status: 'passed' });
  });

  it('compares what a processor makes, one that reads and one that is wrong', async () => {
    const values = { dtype: 'F32', shape: [1, 2], data: Float32Array.of(0.5, -2) } as const;
    await mkdir(join(root, 'processors', 'doubling'), { recursive: true });
    const path = join(root, 'processors', 'doubling');
    await writeFile(join(path, 'preprocessor_config.json'), '{}');
    await writeFile(
      join(path, 'expected.safetensors'),
      writeSafetensors({ samples: values, doubled: { ...values, data: Float32Array.of(1, -4) } }),
    );
    const loadModel = () => Promise.reject(new Error('never'));
    const process = async (factor?: number) => {
      const loadProcessor =
        async () =>
        async ({ samples }: Record<string, Values>) => ({
          doubled: { shape: samples?.shape ?? [], data: Float32Array.from(samples?.data ?? [], (x) => x * (factor ?? 0)) },
        });
      const options = { tuners: [], loadModel, ...(factor && { loadProcessor }), filter: 'processors' };
      for await (const result of runReference(root, options)) return result;
      throw new Error('no case');
    };
    expect(await process(2)).toMatchObject({ status: 'passed', errors: { processed: 0 } });
    expect(await process(2.001)).toMatchObject({ status: 'failed', reason: expect.stringContaining('doubled: off by') });
    expect(await process()).toMatchObject({ status: 'skipped', reason: 'there are no processors' });
  });

  it('skips, with the reason, what is not there', async () => {
    expect(await run('/lora', { tuners: [] })).toMatchObject({ status: 'skipped', reason: 'the method LORA is not there' });
    expect(await run('/base', { known: false })).toMatchObject({ status: 'skipped', reason: 'no such architecture' });
  });

  it('fails, and goes on, where a file is broken', async () => {
    await writeFile(at('lora', 'adapter_model.safetensors'), 'nonsense');
    expect(await run('/lora')).toMatchObject({ status: 'failed', reason: expect.stringContaining('adapter_model.safetensors') });
  });

  it('says what a folder of cases looks like where there are none', async () => {
    const nothing = runReference(at('base'), { tuners: [], loadModel: () => Promise.reject(new Error('never')) });
    await expect(nothing.next()).rejects.toThrow('<architecture>-<task>/<case>');
  });
});
