import '@tensorflow/tfjs-backend-wasm';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PeftModel, setWarningHandler } from '@peft/core';
import { lora } from '@peft/lora';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { accuracy, argMax } from './metrics';
import { Trainer } from './Trainer';
import { countUpdates, type TrainerArgs } from './TrainerArgs';
import type { TrainerCallback } from './TrainerCallback';
import { type TinyBatch, type TinyModel, tinyData, tinyPeft } from './tinyModel.testing';

let folder = '';
beforeAll(async () => {
  await tf.setBackend('wasm');
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trainer-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Tiny = ReturnType<typeof tinyPeft>;
const weights = (model: Tiny) => Object.values(model.adapterState()).map((parameter) => Array.from(parameter.value.dataSync()));
const make = (model: Tiny, args: Partial<TrainerArgs>, callbacks: TrainerCallback[] = []) =>
  new Trainer<(typeof tinyData)[number], TinyBatch>({
    model,
    args: { disable_tqdm: true, per_device_train_batch_size: 4, learning_rate: 0.02, logging_steps: 1, ...args },
    train_dataset: tinyData,
    eval_dataset: tinyData.slice(0, 9),
    compute_metrics: ({ predictions, label_ids = [] }) => ({ accuracy: accuracy(argMax(predictions), label_ids) }),
    callbacks,
  });
const stopAt = (step: number): TrainerCallback => ({ onStepEnd: ({ state, stop }) => state.global_step === step && stop() });
const losses = (trainer: { state: { log_history: Record<string, number>[] } }) =>
  trainer.state.log_history.filter((entry) => 'loss' in entry);

describe('Trainer', () => {
  it('learns, logs, evaluates and leaves no tensors', async () => {
    const model = tinyPeft();
    const trainer = make(model, { max_steps: 60, logging_steps: 10, eval_strategy: 'steps', eval_steps: 30 });
    const start = await trainer.evaluate();
    const before = tf.memory().numTensors;
    expect(Object.keys(start)).toEqual(['eval_loss', 'eval_accuracy', 'eval_runtime', 'eval_samples_per_second']);
    const { global_step, stopped } = await trainer.train();
    expect([global_step, stopped]).toEqual([60, false]);
    expect((await trainer.evaluate()).eval_loss).toBeLessThan((start.eval_loss as number) * 0.7);
    expect(losses(trainer)).toHaveLength(6);
    expect(trainer.state.log_history.filter((entry) => 'eval_loss' in entry).map(({ step }) => step)).toEqual([30, 60]);
    expect(losses(trainer)[0]).toMatchObject({ step: 10, epoch: 10 / 6 });
    const { predictions, label_ids } = await trainer.predict(tinyData);
    expect([predictions.length, label_ids?.length, predictions[0]?.length]).toEqual([22, 22, 3]);
    expect(tf.memory().numTensors).toBe(before);
    expect(existsSync(join(folder, 'checkpoint-60'))).toBe(false);
  });

  it.each([1, 2, 4])('goes on from a checkpoint to the bit, %i batches an update', async (gradient_accumulation_steps) => {
    const args = {
      max_steps: 10,
      output_dir: folder,
      save_steps: 5,
      gradient_accumulation_steps,
      warmup_steps: 2,
      logging_steps: 2,
      weight_decay: 0.1,
    };
    const whole = tinyPeft();
    const wholeTrainer = make(whole, { ...args, output_dir: join(folder, 'whole') });
    const result = await wholeTrainer.train();

    const first = tinyPeft();
    await make(first, args, [stopAt(5)]).train();
    expect(weights(first)).not.toEqual(weights(whole));
    const second = tinyPeft();
    const trainer = make(second, args);
    const resumed = await trainer.train({ resume_from_checkpoint: true });
    expect(weights(second)).toEqual(weights(whole));
    expect(trainer.state.log_history).toEqual(wholeTrainer.state.log_history);
    expect(resumed.training_loss).toBe(result.training_loss);
    // The same with all but the seed differs, so dropout and order do count.
    const other = tinyPeft();
    await make(other, { max_steps: 10, warmup_steps: 2, weight_decay: 0.1, gradient_accumulation_steps, seed: 1 }).train();
    expect(weights(other)).not.toEqual(weights(whole));
  });

  it('goes on at the end of an epoch too', async () => {
    const args = { num_train_epochs: 3, output_dir: folder, save_strategy: 'epoch' as const };
    const epochs: number[] = [];
    const count: TrainerCallback = { onEpochBegin: ({ state }) => epochs.push(state.global_step) };
    const whole = tinyPeft();
    await make(whole, { ...args, output_dir: join(folder, 'whole') }, [count]).train();
    expect(epochs).toEqual([0, 6, 12]);
    await make(tinyPeft(), args, [stopAt(12)]).train();
    const second = tinyPeft();
    await make(second, args, [count]).train({ resume_from_checkpoint: join(folder, 'checkpoint-12') });
    expect(epochs).toEqual([0, 6, 12, 12]);
    expect(weights(second)).toEqual(weights(whole));
  });

  it('writes checkpoints that PeftModel reads, keeps the newest and clears what a crash left', async () => {
    const model = tinyPeft();
    mkdirSync(join(folder, '.checkpoint-3.unfinished'));
    writeFileSync(join(folder, '.checkpoint-3.unfinished', 'adapter_config.json'), '{');
    await make(model, { max_steps: 7, output_dir: folder, save_steps: 2, save_total_limit: 2 }).train();
    expect(readdirSync(folder).sort()).toEqual(['checkpoint-6', 'checkpoint-7']);
    expect(readdirSync(join(folder, 'checkpoint-7')).sort()).toEqual(
      expect.arrayContaining(['adapter_config.json', 'adapter_model.safetensors', 'optimizer.safetensors', 'trainer_state.json']),
    );
    const loaded = await PeftModel.fromPretrained(tinyPeft().unload() as TinyModel, join(folder, 'checkpoint-7'), { tuners: [lora] });
    expect(weights(loaded as Tiny)).toEqual(weights(model));
  });

  it('goes back to the best', async () => {
    const model = tinyPeft();
    const saved = new Map<number, number[][]>();
    const keep: TrainerCallback = { onSave: ({ state }) => saved.set(state.global_step, weights(model)) };
    // The rate is so high that the last steps are not the best ones.
    const trainer = make(
      model,
      {
        max_steps: 8,
        output_dir: folder,
        eval_strategy: 'steps',
        eval_steps: 2,
        save_steps: 2,
        save_total_limit: 1,
        load_best_model_at_end: true,
        learning_rate: 3,
        lr_scheduler_type: 'constant',
      },
      [keep],
    );
    await trainer.train();
    const evals = trainer.state.log_history.filter((entry) => 'eval_loss' in entry) as { eval_loss: number; step: number }[];
    const best = evals.reduce((a, b) => (b.eval_loss < a.eval_loss ? b : a));
    expect(trainer.state).toMatchObject({ best_metric: best.eval_loss, best_model_checkpoint: `checkpoint-${best.step}` });
    expect(best.step).not.toBe(8);
    expect(weights(model)).toEqual(saved.get(best.step));
    expect(readdirSync(folder).sort()).toEqual([`checkpoint-${best.step}`, 'checkpoint-8'].sort());
  });

  it('stops on a signal with a checkpoint from which it goes on exactly', async () => {
    const args = { max_steps: 6, output_dir: folder };
    const whole = tinyPeft();
    await make(whole, { max_steps: 6 }).train();
    const controller = new AbortController();
    const { stopped, global_step } = await make(tinyPeft(), args, [
      { onStepEnd: ({ state }) => state.global_step === 2 && controller.abort() },
    ]).train({ signal: controller.signal });
    expect([stopped, global_step]).toEqual([true, 2]);
    expect(readdirSync(folder)).toEqual(['checkpoint-2']);
    const second = tinyPeft();
    await make(second, args).train({ resume_from_checkpoint: true });
    expect(weights(second)).toEqual(weights(whole));
  });

  it('goes on with adapters of other names, and warns where the arguments are others', async () => {
    const args = { max_steps: 4, output_dir: folder, save_steps: 2 };
    const whole = tinyPeft('mine');
    await make(whole, { max_steps: 4 }).train();
    await make(tinyPeft('mine'), args, [stopAt(2)]).train();
    const second = tinyPeft('mine');
    await make(second, args).train({ resume_from_checkpoint: join(folder, 'checkpoint-2') });
    expect(weights(second)).toEqual(weights(whole));
    const warnings: string[] = [];
    const previous = setWarningHandler((message) => warnings.push(message));
    await make(second, { ...args, per_device_train_batch_size: 2 }).train({ resume_from_checkpoint: join(folder, 'checkpoint-2') });
    setWarningHandler(previous);
    expect(warnings.join()).toMatch(/batches_per_epoch was 6 and is 11; train_batch_size was 4 and is 2/);
  });

  it('leaves no half checkpoint where writing fails', async () => {
    const model = tinyPeft();
    const failing = Object.create(model, {
      savePretrained: {
        value: async (where: string) => {
          await model.savePretrained(where);
          throw new Error('disk full');
        },
      },
    }) as Tiny;
    Object.defineProperties(failing, {
      forward: { value: model.forward.bind(model) },
      afterOptimizerStep: { value: model.afterOptimizerStep.bind(model) },
      trainingState: { value: model.trainingState.bind(model) },
      trainableParameters: { value: model.trainableParameters.bind(model) },
      train: { value: model.train.bind(model) },
      eval: { value: model.eval.bind(model) },
    });
    await expect(make(failing, { max_steps: 2, output_dir: folder, save_steps: 1 }).train()).rejects.toThrow('disk full');
    expect(readdirSync(folder).filter((name) => name.startsWith('checkpoint'))).toEqual([]);
    await make(model, { max_steps: 1, output_dir: folder }).train();
    expect(readdirSync(folder)).toEqual(['checkpoint-1']);
  });

  it('frees tensors that a collator makes', async () => {
    const model = tinyPeft();
    const options = { disable_tqdm: true, max_steps: 2, per_device_eval_batch_size: 4 };
    const data_collator = (examples: typeof tinyData) => ({
      input_ids: examples.map(({ input_ids }) => input_ids),
      labels: examples.map(({ labels }) => labels),
      extra: tf.zeros([2]),
    });
    const trainer = new Trainer({ model, args: options, train_dataset: tinyData, eval_dataset: tinyData, data_collator });
    await trainer.evaluate();
    const count = tf.memory().numTensors;
    await trainer.train();
    await trainer.evaluate();
    expect(tf.memory().numTensors).toBe(count);
  });

  it('shows how far training and evaluation are, and counts updates beforehand', async () => {
    const lines: string[] = [];
    const args = { max_steps: 2, per_device_eval_batch_size: 9 };
    const progress_stream = { write: (line: string) => lines.push(line.replace(/ {2}.*\n/, '')) };
    const trainer = new Trainer({ model: tinyPeft(), args, train_dataset: tinyData, eval_dataset: tinyData, progress_stream });
    await trainer.train();
    await trainer.evaluate();
    expect(lines).toEqual(['train', 'train', 'eval', 'eval', 'eval']);
    expect(countUpdates({ per_device_train_batch_size: 4, gradient_accumulation_steps: 4 }, 22)).toBe(3 * Math.ceil(6 / 4));
    expect(countUpdates({ per_device_train_batch_size: 4, num_train_epochs: 1, dataloader_drop_last: true }, 22)).toBe(5);
  });

  it('shows callbacks the gradients around the update', async () => {
    const seen: [string, number][] = [];
    const look =
      (when: string) =>
      ({ optimizer }: { optimizer: { gradients: object } }) =>
        seen.push([when, Object.keys(optimizer.gradients).length]);
    await make(tinyPeft(), { max_steps: 1 }, [
      { onPreOptimizerStep: look('before'), onOptimizerStep: look('after'), onStepEnd: look('end') },
    ]).train();
    expect(seen).toEqual([
      ['before', 2],
      ['after', 2],
      ['end', 0],
    ]);
  });

  it('says all that is wrong with its arguments', async () => {
    expect(() => make(tinyPeft(), { learing_rate: 1, logging_steps: 0, save_strategy: 'epoch' } as never)).toThrow(
      /"learing_rate" is not known; known are: .*learning_rate.*logging_steps must be.*save_strategy needs an output_dir/,
    );
    expect(() => make(tinyPeft(), { load_best_model_at_end: true })).toThrow(/to be the same/);
    await expect(make(tinyPeft(), { output_dir: folder }).train({ resume_from_checkpoint: true })).rejects.toThrow(/no checkpoint in/);
    await expect(new Trainer({ model: tinyPeft() as never }).train()).rejects.toThrow(/give a train_dataset/);
  });
});
