import { countUpdates, Trainer, type TrainerArgs, type TrainerCallback } from '@peft/train';
import { command } from '../command';
import { interruptible } from '../interruptible';
import { collatorOf, describeMetrics, metricsOf, withPerplexity } from '../measure';
import { learningRateOf, settingsHelp } from '../methods';
import type { Output } from '../Output';
import { adapt, prepareData } from '../prepareTraining';
import { startEngine } from '../startEngine';
import type { TextTask } from '../tasks';
import { type TrainValues, trainerOptions, trainOptions } from '../trainOptions';
import { TRAIN_SETTINGS, writeTrainSettings } from '../trainSettings';

export const train = command({
  options: trainOptions,
  examples: [
    'train models/sotu-0.9m --data data/moby-dick/train.txt --out out/whale --set target_modules=all-linear',
    `train --config out/whale/${TRAIN_SETTINGS} --resume`,
  ],
  notes: ({ method }) => settingsHelp(method ?? 'lora'),

  async run(values, output) {
    await startEngine(values, output, 'training');
    const prepared = await prepareData(values, output);
    const { task, tokenizer, examples, held, kind } = prepared;
    const args = trainerArgs(values, held !== undefined, output);
    const steps = countUpdates(args, examples.length);
    const model = await adapt(values, { ...prepared, steps }, output);
    const [trainable_params, all_params] = model.getNbTrainableParameters();
    const start = { event: 'start', method: values.method, task, examples: examples.length, steps, trainable_params, all_params };
    model.printTrainableParameters((line) => output.result(start, `${line}\n${examples.length} examples, ${steps} updates`));
    const { config: _, json: __, quiet: ___, help: ____, resume, ...settings } = values;
    await writeTrainSettings(values.out, { ...settings, labels: [...(kind?.names ?? [])] });

    const compute_metrics = metricsOf(task, kind?.num_labels ?? 0);
    const trainer = new Trainer({
      model,
      args,
      train_dataset: examples,
      data_collator: collatorOf(task, tokenizer),
      callbacks: [reporter(task, output)],
      progress_stream: output.errors,
      ...(held && { eval_dataset: held }),
      ...(compute_metrics && { compute_metrics }),
    });
    const { global_step: step, training_loss } = await interruptible(async (signal) => {
      const result = await trainer.train({ resume_from_checkpoint: resume, signal });
      if (result.stopped) {
        const next = `peft train --config ${values.out}/${TRAIN_SETTINGS} --resume`;
        output.result(
          { event: 'stopped', step: result.global_step, steps },
          `stopped after ${result.global_step} of ${steps} updates; to go on: ${next}`,
        );
      }
      return result;
    });
    await model.savePretrained(values.out);
    output.result(
      { event: 'end', step, training_loss, adapter: values.out },
      `training loss ${training_loss.toFixed(4)}\nsaved ${values.out}`,
    );
  },
});

/** The Trainer's arguments among the options. */
function trainerArgs(values: TrainValues, measures: boolean, { quiet }: Output): Partial<TrainerArgs> {
  const given = Object.keys(trainerOptions).map((name) => [name, values[name as keyof typeof trainerOptions]]);
  return {
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    learning_rate: values.learning_rate ?? learningRateOf(values.method),
    eval_strategy: values.eval_strategy ?? (measures ? 'epoch' : 'no'),
    output_dir: values.out,
    disable_tqdm: quiet,
  };
}

/** Tells what the Trainer tells; its bar shows the loss as it goes. */
function reporter(task: TextTask, output: Output): TrainerCallback {
  return {
    onLog: ({ logs }) => output.result({ event: 'log', ...logs }),
    onEvaluate: ({ state: { global_step: step }, metrics }) => {
      const all = withPerplexity(task, metrics);
      output.result({ event: 'evaluate', step, ...all }, `after ${step} updates: ${describeMetrics(all)}`);
    },
    onSave: ({ state: { global_step: step }, checkpoint }) => output.result({ event: 'checkpoint', step, checkpoint }),
  };
}
