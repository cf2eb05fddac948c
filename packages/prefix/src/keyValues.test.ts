import '@tensorflow/tfjs-backend-wasm';
import { readdirSync } from 'node:fs';
import { type KeyValues, manualSeed, setWarningHandler } from '@peft/core';
import { AutoModelForCausalLM, AutoModelForSeq2SeqLM } from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  asPrefix,
  type Base,
  batch,
  build,
  difference,
  fill,
  input_ids,
  outputs,
  prefixed,
  reference,
  run,
  t5,
  table,
} from './fixtures/models';
import type { PrefixTuningConfig } from './index';

beforeAll(async () => {
  await tf.setBackend('wasm');
  setWarningHandler(() => {});
});
beforeEach(() => manualSeed(0));

describe.each(readdirSync(reference).filter((name) => name.endsWith('-causal-lm')))('a prefix on %s', (name) => {
  it('that holds what a text leaves in the cache does what that text does when it stands before the input', async () => {
    const base = (await AutoModelForCausalLM.fromPretrained(`${reference}/${name}/base`)) as Base;
    const [before, after] = [
      [5, 9, 31, 7],
      [22, 58, 3, 40, 12],
    ];
    const whole = run(base, { input_ids: [[...before, ...after]], use_cache: true, logits_to_keep: after.length });
    const wanted = Array.from((whole.logits as tf.Tensor).dataSync());
    tf.dispose(whole as never);
    const left = run(base, { input_ids: [before], use_cache: true });
    const model = prefixed(base, { num_virtual_tokens: before.length });
    table(model).set(asPrefix(left.past_key_values as KeyValues));
    tf.dispose(left as never);
    const ours = outputs(model, { input_ids: [after] });
    expect(difference(ours, wanted)).toBeLessThan(1e-4 * Math.max(...wanted.map(Math.abs)));
    expect(
      difference(
        model.disableAdapter(() => outputs(model, { input_ids: [after] })),
        wanted,
      ),
    ).toBeGreaterThan(1e-2);
    model.dispose();
  });
});

describe('encoder–decoder models', () => {
  const labels = [
    [7, 12, 9],
    [33, 8, -100],
  ];

  it('Python defect 1, mirrored: layer i has the pair 2i mod L, so every second pair is never used', async () => {
    const model = prefixed(await build({ ...t5, dropout_rate: 0 }, AutoModelForSeq2SeqLM), { task_type: 'SEQ_2_SEQ_LM' });
    fill(table(model));
    const gradient = tf.tidy(() => {
      const { grads } = tf.variableGrads(() => model.forward({ ...batch, labels }).loss as tf.Scalar, [table(model).value]);
      return Object.values(grads)[0]?.dataSync() as Float32Array;
    });
    const used = Array.from({ length: 8 }, (_, row) => gradient.some((value, i) => value !== 0 && Math.floor((i % (8 * 16)) / 16) === row));
    expect(used).toEqual([true, true, false, false, true, true, false, false]);
    model.dispose();
  });

  it('with num_transformer_submodules 1 each layer has its own pair', async () => {
    const base = await build({ ...t5, dropout_rate: 0 }, AutoModelForSeq2SeqLM);
    const source = { input_ids: [input_ids[0] as number[]] };
    const [before, after] = [
      [0, 9, 31],
      [22, 58],
    ];
    const left = run(base, { ...source, decoder_input_ids: [before], use_cache: true });
    const wanted = outputs(base, { ...source, decoder_input_ids: [[...before, ...after]] }).slice(-2 * 61);
    const model = prefixed(base, { task_type: 'SEQ_2_SEQ_LM', num_transformer_submodules: 1 });
    table(model).set(asPrefix(left.past_key_values as KeyValues));
    tf.dispose(left as never);
    expect(difference(outputs(model, { ...source, decoder_input_ids: [after] }), wanted)).toBeLessThan(1e-5);
    model.dispose();
  });

  it.each([
    ['heads that do not add up to the width, on which Python fails', { d_kv: 6 }, [4, 24, 4]],
    ['more layers in the decoder, on which Python fails', { num_layers: 2, num_decoder_layers: 3 }, [3, 16, 4]],
    ['more layers in the encoder', { num_layers: 3, num_decoder_layers: 2 }, [3, 16, 4]],
  ])('work with %s', async (_, options, expected) => {
    const model = prefixed(await build({ ...t5, dropout_rate: 0, ...options }, AutoModelForSeq2SeqLM), { task_type: 'SEQ_2_SEQ_LM' });
    const { num_layers, token_dim, num_attention_heads } = model.peftConfig.default as PrefixTuningConfig;
    expect([num_layers, token_dim, num_attention_heads]).toEqual(expected);
    fill(table(model));
    expect(outputs(model, { ...batch, labels }).every(Number.isFinite)).toBe(true);
    model.dispose();
  });

  it('have no prefix in their encoder', async () => {
    const model = prefixed(await build(t5, AutoModelForSeq2SeqLM), { task_type: 'SEQ_2_SEQ_LM' });
    const encoded = (seed: number) => {
      fill(table(model), seed);
      const output = run(model, { ...batch, labels, return_logits: true });
      const values = [output.encoder_last_hidden_state, output.logits].map((one) => Array.from((one as tf.Tensor).dataSync()));
      tf.dispose(output as never);
      return values as [number[], number[]];
    };
    const [[first, logits], [second, others]] = [encoded(1), encoded(2)];
    expect(second).toEqual(first);
    expect(others).not.toEqual(logits);
    model.dispose();
  });
});
