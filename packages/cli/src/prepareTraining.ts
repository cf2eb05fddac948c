import { getPeftModel, manualSeed, type PeftModel, readJson } from '@peft/core';
import type { LoadModelOptions, TextModel } from '@peft/models';
import { trainTestSplit } from '@peft/train/data';
import { showLoading } from './byteProgress';
import { contextOf } from './contextOf';
import { kindOfLabels, type LabelKind } from './data/labels';
import { makeExamples } from './data/makeExamples';
import { readData } from './data/readData';
import { adapterConfig, learntTokens } from './methods';
import { newHeads } from './newHeads';
import type { Output } from './Output';
import { openLocation, parseLocation } from './openLocation';
import { openTokenizer } from './openModel';
import { autoOf, taskOf, textTask } from './tasks';
import type { TrainValues } from './trainOptions';

/** Tokenizer and examples; nothing of the model but its config is read. */
export async function prepareData(
  { model, data, eval: evaluation, task: wanted, labels, method, set, seed, max_length, pack, ...how }: TrainValues,
  output: Output,
) {
  const source = await openLocation(model, output);
  const config = (await readJson(source, 'config.json')) as { model_type: string };
  const task = textTask(wanted ?? taskOf(config));
  const tokenizer = await openTokenizer(source);
  const own = await readData(data, how, output);
  const kind =
    task === 'SEQ_CLS'
      ? kindOfLabels(
          own.records.map(({ label }) => label),
          labels,
        )
      : undefined;
  const maxLength = max_length ?? contextOf(config, tokenizer, learntTokens(method, set));
  const encode = (records: typeof own) => makeExamples(records, pack, { task, tokenizer, maxLength, labels: kind?.names }, output);
  const all = encode(own);
  const share = Number(evaluation);
  if (share > 0 && share < 1) {
    const { train: examples, test: held } = trainTestSplit(all, { test_size: share, seed, shuffle: !own.isPlainText });
    return { source, task, tokenizer, kind, examples, held };
  }
  const held = evaluation === undefined ? undefined : encode(await readData(evaluation, how, output));
  return { source, task, tokenizer, kind, examples: all, held };
}

/** The base model with a new adapter. */
export async function adapt(
  { model: where, method, set, seed }: TrainValues,
  { source, task, tokenizer, kind, steps }: Awaited<ReturnType<typeof prepareData>> & { steps: number },
  output: Output,
): Promise<PeftModel<TextModel>> {
  // Before the base is made: a head that its files do not hold starts by chance.
  manualSeed(seed);
  const base = (await showLoading(source, output, (watched) => autoOf(task).fromPretrained(watched, headOptions(kind)))) as TextModel;
  const { name, revision } = parseLocation(where);
  base.name_or_path = name;
  base.config.pad_token_id ??= tokenizer.pad_token_id;
  const heads = task === 'SEQ_CLS' ? await newHeads(base, source) : [];
  const layers = Number(base.config.num_hidden_layers ?? base.config.n_layer ?? base.config.num_layers ?? 1);
  return getPeftModel(base, await adapterConfig(method, { ...set, ...(revision && { revision }) }, { task, steps, layers, heads }), {
    tokenizer,
  });
}

/** What the labels say of a classifier's head. */
function headOptions(kind: LabelKind | undefined): LoadModelOptions {
  if (!kind) return {};
  const { names, num_labels, problem_type } = kind;
  const named = names && {
    id2label: Object.fromEntries(names.map((name, i) => [i, name])),
    label2id: Object.fromEntries(names.map((name, i) => [name, i])),
  };
  return { num_labels, problem_type, ...named, ignore_mismatched_sizes: true };
}
