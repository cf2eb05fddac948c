import {
  AutoPeftModelForCausalLM,
  AutoPeftModelForFeatureExtraction,
  AutoPeftModelForQuestionAnswering,
  AutoPeftModelForSeq2SeqLM,
  AutoPeftModelForSequenceClassification,
  AutoPeftModelForTokenClassification,
} from '@peft/auto';
import { TaskType } from '@peft/core';
import {
  type AutoClass,
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForQuestionAnswering,
  AutoModelForSeq2SeqLM,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
  autoClassFor,
  type PretrainedModel,
} from '@peft/models';
import { UsageError } from './options';

/** What loads a base model, and a base model with an adapter, for each task. */
export const TASKS = {
  CAUSAL_LM: { base: AutoModelForCausalLM, adapted: AutoPeftModelForCausalLM },
  SEQ_2_SEQ_LM: { base: AutoModelForSeq2SeqLM, adapted: AutoPeftModelForSeq2SeqLM },
  SEQ_CLS: { base: AutoModelForSequenceClassification, adapted: AutoPeftModelForSequenceClassification },
  TOKEN_CLS: { base: AutoModelForTokenClassification, adapted: AutoPeftModelForTokenClassification },
  QUESTION_ANS: { base: AutoModelForQuestionAnswering, adapted: AutoPeftModelForQuestionAnswering },
  FEATURE_EXTRACTION: { base: AutoModel, adapted: AutoPeftModelForFeatureExtraction },
} as const satisfies Record<TaskType, object>;

/** Tasks whose data files are understood. */
export const TEXT_TASKS = ['CAUSAL_LM', 'SEQ_2_SEQ_LM', 'SEQ_CLS'] as const;
export type TextTask = (typeof TEXT_TASKS)[number];

const ENDINGS: readonly (readonly [ending: RegExp, task: TaskType])[] = [
  [/ForConditionalGeneration$/, 'SEQ_2_SEQ_LM'],
  [/ForSequenceClassification$/, 'SEQ_CLS'],
  [/ForTokenClassification$/, 'TOKEN_CLS'],
  [/ForQuestionAnswering$/, 'QUESTION_ANS'],
];

/** What a model is for, by the class that its `config.json` names. */
export function taskOf({ architectures }: Readonly<Record<string, unknown>>): TaskType {
  const name = Array.isArray(architectures) ? String(architectures[0]) : '';
  return ENDINGS.find(([ending]) => ending.test(name))?.[1] ?? 'CAUSAL_LM';
}

/** What loads the base model of an adapter, by its task; without one by the class that the model's own config names. */
export const autoOf = (task: unknown, { architectures, model_type }: Readonly<Record<string, unknown>> = {}): AutoClass<PretrainedModel> =>
  isTask(task) ? TASKS[task].base : autoClassFor(Array.isArray(architectures) ? String(architectures[0]) : 'Model', String(model_type));

export const isTask = (task: unknown): task is TaskType => typeof task === 'string' && Object.hasOwn(TaskType, task);

/** Errors: a task whose data files are not understood. */
export function textTask(task: string): TextTask {
  const found = TEXT_TASKS.find((known) => known === task);
  if (!found) throw new UsageError(`the task ${task} cannot be trained or measured here yet; --task takes ${TEXT_TASKS.join(', ')}`);
  return found;
}
