import '@tensorflow/tfjs-backend-wasm';
import { disposeModule, type ModelOutput, manualSeed, setWarningHandler, type TextBatch } from '@peft/core';
import {
  AutoModel,
  AutoModelForQuestionAnswering,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
} from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { batch, bert, build, difference, input_ids, outputs, prefixed, warningsOf } from './fixtures/models';

beforeAll(async () => {
  await tf.setBackend('wasm');
  setWarningHandler(() => {});
});
beforeEach(() => manualSeed(0));

describe('encoders', () => {
  const tasks = [
    ['SEQ_CLS', AutoModelForSequenceClassification, { labels: [1, 0] }],
    ['TOKEN_CLS', AutoModelForTokenClassification, { labels: input_ids.map((row) => row.map((id) => (id === 0 ? -100 : id % 2))) }],
    ['QUESTION_ANS', AutoModelForQuestionAnswering, { start_positions: [1, 0], end_positions: [3, 2] }],
    ['FEATURE_EXTRACTION', AutoModel, {}],
  ] as const;

  it.each(tasks)('%s: outputs are as long as the input', async (task_type, auto) => {
    const base = await build(bert, auto);
    const bare = outputs(base).length;
    const model = prefixed(base, { task_type });
    expect(outputs(model)).toHaveLength(bare);
    model.dispose();
  });

  it('answers beyond the text do not count', async () => {
    const model = prefixed(await build(bert, AutoModelForQuestionAnswering), { task_type: 'QUESTION_ANS' });
    const loss = (start_positions: number[], end_positions: number[]) =>
      outputs(model, { ...batch, start_positions, end_positions })[0] as number;
    // With a prefix of 3 a position of 5 is still beyond the text of 5.
    expect(loss([1, 5], [3, 77])).toBeCloseTo(loss([1, 99], [3, 5]), 6);
    expect(loss([1, 5], [3, 77])).not.toBeCloseTo(loss([1, 4], [3, 4]), 4);
    model.dispose();
  });

  it('token types are passed on to classifiers, and for other tasks left out with a warning, as in Python', async () => {
    const token_type_ids = input_ids.map((row) => row.map((_, i) => i % 2));
    const classifier = prefixed(await build(bert, AutoModelForSequenceClassification), { task_type: 'SEQ_CLS' });
    expect(difference(outputs(classifier, { ...batch, token_type_ids }), outputs(classifier))).toBeGreaterThan(1e-3);
    const body = prefixed(await build(bert, AutoModel), { task_type: 'FEATURE_EXTRACTION' });
    const warnings = warningsOf(() => expect(outputs(body, { ...batch, token_type_ids })).toEqual(outputs(body)));
    expect(warnings).toEqual([expect.stringContaining('token_type_ids')]);
    for (const one of [classifier, body]) one.dispose();
  });

  it.each([
    ['BERT', bert],
    ['RoBERTa', { ...bert, model_type: 'roberta', pad_token_id: 1, max_position_embeddings: 40 }],
    ['DistilBERT', { model_type: 'distilbert', vocab_size: 61, dim: 16, hidden_dim: 24, n_layers: 2, n_heads: 4, initializer_range: 0.2 }],
  ])('%s: a prefix that nothing attends to only moves positions on', async (_, config) => {
    for (const [task_type, auto] of tasks) {
      const base = await build(config, auto);
      const first = config.model_type === 'roberta' ? 2 : 0;
      const position_ids = input_ids.map((row) => row.map((_, at) => first + 3 + at));
      const bare = outputs(base, { ...batch, position_ids });
      const model = prefixed(base, { task_type });
      // An attention mask is longer by the prefix: here a model in between hides it.
      const forward = model.adapter().wrap?.((given) => {
        const hidden = (given.attention_mask as number[][]).map((row) => [0, 0, 0, ...row.slice(3)]);
        return base.forward({ ...given, attention_mask: hidden });
      }) as (given: TextBatch) => ModelOutput;
      const shifted = position_ids.map((row) => row.map((at) => at - 3));
      expect(difference(outputs({ forward }, { ...batch, position_ids: shifted }), bare)).toBeLessThan(1e-6);
      expect(difference(outputs(model), bare)).toBeGreaterThan(1e-3);
      model.dispose();
    }
  });

  it('positions that are not given go on from the prefix', async () => {
    for (const [config, first] of [
      [bert, 0],
      [{ ...bert, model_type: 'roberta', pad_token_id: 1, max_position_embeddings: 40 }, 2],
    ] as const) {
      const model = prefixed(await build(config, AutoModelForSequenceClassification), { task_type: 'SEQ_CLS' });
      const position_ids = input_ids.map((row) => row.map((_, at) => first + at));
      expect(difference(outputs(model, { ...batch, position_ids }), outputs(model))).toBeLessThan(1e-6);
      model.dispose();
    }
  });

  it('a model whose attention depends on distances takes no prefix', async () => {
    const base = await build({ ...bert, model_type: 'deberta-v2' }, AutoModelForSequenceClassification);
    expect(() => prefixed(base, { task_type: 'SEQ_CLS' })).toThrow('this model takes no past_key_values: choose a method of prompts');
    disposeModule(base);
  });
});
