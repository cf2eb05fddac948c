import { AutoPeftModel } from '@peft/auto';
import { openCheckpoint, type PeftModel, readJson, type Source, type TaskType } from '@peft/core';
import { AutoTokenizer, type LoadModelOptions, type PretrainedModel, type TextModel, type TextTokenizer } from '@peft/models';
import { showLoading } from './byteProgress';
import type { Output } from './Output';
import { openAdapter } from './openAdapter';
import { openLocation } from './openLocation';
import { type Options, UsageError } from './options';
import { autoOf, isTask, TASKS, taskOf } from './tasks';
import { readTrainSettings } from './trainSettings';

/** For commands that use an adapter or a model. */
export const modelOptions = {
  model: { type: 'text', positional: true, required: true, help: 'an adapter, or a model without one' },
  base: { type: 'text', value: 'MODEL', help: "the adapter's base model [what its config says]" },
} as const satisfies Options;

/** A model that is ready to be used. */
export interface OpenModel<Base extends PretrainedModel = PretrainedModel> {
  /** Absent where an adapter does not say one. */
  readonly task: TaskType | undefined;
  readonly base: Base;
  /** Absent where there is no adapter. */
  readonly adapted: PeftModel<Base> | undefined;
  /** Where tokenizer and the like are. */
  readonly files: Source;
  /** Names of the classes, where they are known. */
  readonly labels: readonly string[] | undefined;
}

/** A model that reads text, with its tokenizer. */
export interface OpenTextModel extends OpenModel<TextModel> {
  /** What computes: the base, with the adapter where there is one. */
  readonly model: PeftModel<TextModel> | TextModel;
  readonly tokenizer: TextTokenizer;
}

/** Loads a model, or an adapter with its base model. @param task of a model without adapter. Errors: whatever is missing or does not fit. */
export async function openModel(
  { model: where, base: given, task: wanted }: { model: string; base?: string | undefined; task?: string | undefined },
  output: Output,
): Promise<OpenModel> {
  const source = await openLocation(where, output);
  if (await source.has('adapter_config.json')) return openAdapted(where, given, output);
  if (given !== undefined) throw new UsageError(`--base is for adapters, and ${where} is none: it has no adapter_config.json`);
  const config = (await readJson(source, 'config.json')) as Record<string, unknown>;
  const task = wanted ?? taskOf(config);
  const base = await showLoading(source, output, (watched) => autoOf(task, config).fromPretrained(watched));
  return { task: task as TaskType, base, adapted: undefined, files: source, labels: labelsOf(base) };
}

/** The same, for what works with text. */
export async function openTextModel(values: Parameters<typeof openModel>[0], output: Output): Promise<OpenTextModel> {
  const opened = (await openModel(values, output)) as OpenModel<TextModel>;
  const tokenizer = await openTokenizer(opened.files);
  opened.base.config.pad_token_id ??= tokenizer.pad_token_id;
  return { ...opened, tokenizer, model: opened.adapted ?? opened.base };
}

/** A tokenizer that can pad. */
export async function openTokenizer(source: Source): Promise<TextTokenizer> {
  const tokenizer = await AutoTokenizer.fromPretrained(source);
  tokenizer.pad_token ??= tokenizer.eos_token;
  return tokenizer;
}

async function openAdapted(where: string, given: string | undefined, output: Output): Promise<OpenModel> {
  const { source, config, base: from } = await openAdapter(where, given, output);
  const { task_type: task } = config;
  const auto = isTask(task) ? TASKS[task].adapted : AutoPeftModel;
  const { labels } = await readTrainSettings(source);
  const head = await headOptions(source, from, config);
  const adapted = await showLoading(from, output, (baseModel) => auto.fromPretrained(source, { baseModel, ...head }));
  const base: PretrainedModel = adapted.getBaseModel();
  return {
    task: isTask(task) ? task : undefined,
    base,
    adapted: adapted as unknown as PeftModel<PretrainedModel>,
    files: (await source.has('tokenizer_config.json')) ? source : from,
    labels: labels ?? labelsOf(base),
  };
}

const HEAD = /\.(classifier|score|(classifier|classification_head)\.out_proj)\.weight$/;

/** A classifier's head comes with the adapter: it says how many classes there are. */
export async function headOptions(
  adapter: Source,
  base: Source,
  { task_type: task }: { readonly task_type?: unknown },
): Promise<LoadModelOptions> {
  if (task !== 'SEQ_CLS' && task !== 'TOKEN_CLS') return {};
  const heads = [...(await openCheckpoint(adapter, 'adapter_model'))].filter(([key]) => HEAD.test(key));
  const num_labels = heads[0]?.[1].shape[0];
  const { id2label } = (await readJson(base, 'config.json')) as { id2label?: object };
  const isSame = num_labels === undefined || (id2label && Object.keys(id2label).length === num_labels);
  return isSame ? {} : { num_labels, ignore_mismatched_sizes: true };
}

/** What a model's config calls its classes, in the order of their numbers. */
function labelsOf({ config }: PretrainedModel): string[] | undefined {
  const names = Object.entries((config.id2label ?? {}) as Record<string, string>);
  return names.length > 0 ? names.sort(([a], [b]) => Number(a) - Number(b)).map(([, name]) => name) : undefined;
}
