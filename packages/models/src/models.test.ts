import { disposeModule, namedParameters, setWarningHandler, type TextBatch } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useTestedEngine } from '../../testing/src/useTestedEngine';
import type { AutoClass } from './auto';
import * as autos from './auto';
import { fixturePath, readFixture } from './fixtures/fixtures';
import type { LoadModelOptions } from './load';
import type { TextModel } from './shared/TextModel';

interface Case {
  model: string;
  head: 'AutoModel' | 'AutoModelForCausalLM';
  what: string;
  batch: TextBatch;
  problem_type: NonNullable<LoadModelOptions['problem_type']> | null;
  num_labels: number | null;
  weights: Record<string, number[]> | null;
  expected: Record<string, number[]>;
}

beforeAll(useTestedEngine);
// A head of another size is reported; what it holds is given here.
let previous: ReturnType<typeof setWarningHandler>;
beforeAll(() => {
  previous = setWarningHandler(() => {});
});
afterAll(() => void setWarningHandler(previous));

const cases = await readFixture<Case[]>('models.json');

/** The model of a case; a head of another size gets the values that Python drew. */
async function load({ model: name, head, problem_type, num_labels, weights }: Case): Promise<TextModel> {
  const options = {
    ...(problem_type && { problem_type }),
    ...(num_labels && { num_labels, ignore_mismatched_sizes: true }),
  };
  const model = await (autos[head] as AutoClass<TextModel>).fromPretrained(fixturePath(`models/${name}`), options);
  const parameters = new Map(namedParameters(model));
  for (const [key, values] of Object.entries(weights ?? {})) parameters.get(key)?.set(Float32Array.from(values));
  return model;
}

/** The largest distance between what a model gives and what it should; of body and causal outputs at attended positions only. */
function distance(actual: tf.Tensor, expected: readonly number[], mask?: readonly (readonly number[])[]): number {
  const values = Array.from(actual.dataSync());
  expect(values.length).toBe(expected.length);
  const perToken = values.length / (mask ? mask.flat().length : 1);
  const seen = mask?.flat();
  return values.reduce((max, value, i) => {
    if (seen && seen[Math.floor(i / perToken)] === 0) return max;
    return Math.max(max, Math.abs(value - (expected[i] as number)) / Math.max(1, Math.abs(expected[i] as number)));
  }, 0);
}

test.each(cases.map((one) => [`${one.model}: ${one.what}`, one] as const))('%s', async (_, one) => {
  const before = tf.memory().numTensors;
  const model = await load(one);
  const output = tf.tidy(() => model.forward(one.batch) as Record<string, tf.Tensor>);
  for (const [name, expected] of Object.entries(one.expected)) {
    const rowsOfTokens =
      /^(last_hidden_state|logits|start_logits|end_logits)$/.test(name) && one.head !== ('AutoModelForSequenceClassification' as string);
    expect(output[name], name).toBeDefined();
    expect(
      distance(output[name] as tf.Tensor, expected, rowsOfTokens ? (one.batch.attention_mask as number[][]) : undefined),
      name,
    ).toBeLessThan(2e-4);
  }
  tf.dispose(output);
  disposeModule(model);
  expect(tf.memory().numTensors).toBe(before);
});
