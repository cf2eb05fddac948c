import { type Example, Trainer } from '@peft/train';
import { command } from '../command';
import { contextOf } from '../contextOf';
import { dataOptions } from '../data/dataOptions';
import { makeExamples } from '../data/makeExamples';
import { readData } from '../data/readData';
import { collatorOf, describeMetrics, measurable, metricsOf, withPerplexity } from '../measure';
import { modelOptions, openTextModel } from '../openModel';
import { engineOptions } from '../options';
import { startEngine } from '../startEngine';
import { TEXT_TASKS, textTask } from '../tasks';

export const evaluate = command({
  options: {
    ...modelOptions,
    data: { type: 'text', value: 'FILE', required: true, help: 'what to measure on' },
    task: { type: 'text', value: 'NAME', help: 'what a model without adapter is for [what its config says]', choices: TEXT_TASKS },
    per_device_eval_batch_size: { type: 'number', help: 'examples a batch', default: 8 },
    ...dataOptions,
    ...engineOptions,
  },
  examples: ['eval out/whale --data data/moby-dick/eval.txt', 'eval models/sotu-0.9m --data data/moby-dick/eval.txt'],

  async run({ data, labels, max_length, pack, per_device_eval_batch_size, ...values }, output) {
    await startEngine(values, output, 'training');
    const { model, base, adapted, tokenizer, ...opened } = await openTextModel(values, output);
    const task = textTask(opened.task ?? '');
    const learnt = Object.values(adapted?.peftConfig ?? {}).map((config) => (config as { num_virtual_tokens?: number }).num_virtual_tokens);
    const maxLength = max_length ?? contextOf(base.config, tokenizer, learnt[0]);
    const names = labels.length > 0 ? labels : opened.labels;
    const examples = makeExamples(await readData(data, values, output), pack, { task, tokenizer, maxLength, labels: names }, output);
    const compute_metrics = metricsOf(task, Number(base.config.num_labels ?? names?.length ?? 0));
    const trainer = new Trainer<Example, Record<string, unknown>>({
      model: measurable(model),
      args: { per_device_eval_batch_size, disable_tqdm: output.quiet },
      eval_dataset: examples,
      progress_stream: output.errors,
      data_collator: collatorOf(task, tokenizer),
      ...(compute_metrics && { compute_metrics }),
    });
    const metrics = withPerplexity(task, await trainer.evaluate());
    output.result({ examples: examples.length, ...metrics }, describeMetrics(metrics));
  },
});
