import type { PeftModel, TaskType } from '@peft/core';
import type { TextModel, TextTokenizer } from '@peft/models';
import {
  accuracy,
  argMax,
  dataCollatorForLanguageModeling,
  dataCollatorForSeq2Seq,
  dataCollatorWithPadding,
  type Example,
  f1,
  type Predictions,
  perplexity,
  type TrainableModel,
} from '@peft/train';
import type { TextTask } from './tasks';

/** What makes batches of a task's examples. */
export function collatorOf(task: TextTask, tokenizer: TextTokenizer): (examples: readonly Example[]) => Record<string, unknown> {
  if (task === 'CAUSAL_LM') return dataCollatorForLanguageModeling(tokenizer);
  return task === 'SEQ_2_SEQ_LM' ? dataCollatorForSeq2Seq(tokenizer) : dataCollatorWithPadding(tokenizer);
}

/** How good predicted classes are; of language models and regressions the loss says it. */
export function metricsOf(task: TextTask, classes: number): ((result: Predictions) => Record<string, number>) | undefined {
  if (task !== 'SEQ_CLS' || classes < 2) return undefined;
  return ({ predictions, label_ids = [] }) => {
    const predicted = argMax(predictions);
    const average = classes === 2 ? 'binary' : 'macro';
    return { accuracy: accuracy(predicted, label_ids), f1: f1(predicted, label_ids, { average }) };
  };
}

/** What was measured, and of language models the perplexity. */
export function withPerplexity(task: TaskType, metrics: Readonly<Record<string, number>>): Record<string, number> {
  const { eval_loss: loss } = metrics;
  return loss !== undefined && task !== 'SEQ_CLS' ? { ...metrics, eval_perplexity: perplexity(loss) } : metrics;
}

/** Measurements for a reader. */
export const describeMetrics = (metrics: Readonly<Record<string, number>>): string =>
  Object.entries(metrics)
    .filter(([name]) => !/_(runtime|samples_per_second)$/.test(name))
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toPrecision(6)}`)
    .join('  ');

/** A model without adapter, as the Trainer measures it. */
export function measurable(model: PeftModel<TextModel> | TextModel): TrainableModel<Record<string, unknown>> {
  if ('trainableParameters' in model) return model as unknown as TrainableModel<Record<string, unknown>>;
  const refuse = async () => {
    throw new Error('there is no adapter');
  };
  return {
    training: false,
    activeAdapters: [],
    forward: (batch) => model.forward(batch),
    train: () => undefined,
    eval: () => undefined,
    trainableParameters: () => ({}),
    savePretrained: refuse,
    loadAdapter: refuse,
  };
}
