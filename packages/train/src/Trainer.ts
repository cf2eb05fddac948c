import { defaultGenerator, manualSeed, pause, warn } from '@peft/core';
import { adamW } from './adamW';
import { countTokens, freeBatch } from './batches';
import { lastCheckpoint, loadCheckpoint, loadWeights, rotateCheckpoints, saveCheckpoint } from './checkpoints';
import { type DataLoader, type Dataset, dataLoader } from './dataLoader';
import { type EvaluationResult, type Predictions, runEvaluation } from './evaluation';
import { isDecayed, makeScheduler, misfits } from './fromArgs';
import type { Optimizer } from './Optimizer';
import { type ProgressOptions, ProgressReporter, type ProgressStream } from './ProgressReporter';
import type { Scheduler } from './schedules';
import type { TrainableModel } from './TrainableModel';
import { countUpdates, type TrainerArgs, trainerArgs } from './TrainerArgs';
import type { TrainerCallback, TrainerEvent } from './TrainerCallback';
import { type LogEntry, newTrainerState, type TrainerState, type TrainingSetup } from './TrainerState';

export interface TrainerOptions<Example, Batch> {
  model: TrainableModel<Batch>;
  args?: Partial<TrainerArgs>;
  train_dataset?: ArrayLike<Example> | Dataset<Example>;
  eval_dataset?: ArrayLike<Example> | Dataset<Example>;
  /** Makes a batch of examples. Tensors that are its fields are freed after use. @default the examples' fields, each as a list */
  data_collator?: (examples: Awaited<Example>[]) => Batch;
  /** Measures predictions; what it gives appears as `eval_<name>`. */
  compute_metrics?: (result: Predictions) => Record<string, number> | Promise<Record<string, number>>;
  callbacks?: readonly TrainerCallback[];
  /** Where progress is shown. @default standard error; nowhere in browsers */
  progress_stream?: ProgressStream;
}

export interface TrainOptions {
  /** A checkpoint's folder, or `true` for the newest in `output_dir`. The continuation is exact, to the bit. */
  resume_from_checkpoint?: string | boolean;
  /** Stops after the update that runs, with a checkpoint where there is an `output_dir`. */
  signal?: AbortSignal;
}

export interface TrainResult {
  global_step: number;
  /** The mean loss of all updates. */
  training_loss: number;
  metrics: LogEntry;
  /** Whether it ended before its time. */
  stopped: boolean;
}

/** Trains the active adapters of a model, with evaluation, log and checkpoints; arguments are those of transformers' Trainer. */
export class Trainer<Example, Batch> {
  readonly args: ReturnType<typeof trainerArgs>;
  readonly #options: TrainerOptions<Example, Batch>;
  #state: TrainerState = newTrainerState();

  /** Errors: wrong args, all at once. */
  constructor(options: TrainerOptions<Example, Batch>) {
    this.args = trainerArgs(options.args ?? {});
    this.#options = options;
    if (this.args.eval_strategy !== 'no' && !options.eval_dataset)
      throw new Error(`eval_strategy "${this.args.eval_strategy}" needs an eval_dataset`);
  }

  /** Where the training stands, with `log_history`. */
  get state(): Readonly<TrainerState> {
    return this.#state;
  }

  /** Errors: no gradient, no data, a checkpoint that does not fit. The model is in evaluation mode afterwards. */
  async train({ resume_from_checkpoint: resume = false, signal }: TrainOptions = {}): Promise<TrainResult> {
    const { args } = this;
    const { model } = this.#options;
    const loader = this.#trainLoader();
    const maxSteps = countUpdates(args, this.#options.train_dataset?.length ?? 0);
    const { adam_beta1, adam_beta2, adam_epsilon: eps, learning_rate: lr } = args;
    const optimizer = adamW(model, {
      lr,
      betas: [adam_beta1, adam_beta2],
      eps,
      weight_decay: (name) => (isDecayed(name) ? args.weight_decay : 0),
    });
    const run: Run<Batch> = {
      loader,
      optimizer,
      scheduler: makeScheduler(optimizer, args, maxSteps),
      stopped: false,
      savedAt: -1,
      ...(signal && { signal }),
    };
    try {
      if (resume) await this.#resume(run, resume, this.#setup(loader, maxSteps));
      else {
        manualSeed(args.seed);
        this.#state = newTrainerState();
      }
      Object.assign(this.#state, this.#setup(loader, maxSteps));
      return await this.#run(run);
    } finally {
      optimizer.dispose();
    }
  }

  /** Loss and metrics of a dataset, as `eval_<name>`. @param dataset @default eval_dataset */
  async evaluate(dataset = this.#options.eval_dataset): Promise<Record<string, number>> {
    if (!dataset) throw new Error('there is nothing to evaluate on: give an eval_dataset');
    return (await this.#evaluation(dataset, 'eval', this.#options.compute_metrics !== undefined)).metrics;
  }

  /** Scores of a dataset, with metrics as `test_<name>` where it has labels. */
  async predict(dataset: ArrayLike<Example> | Dataset<Example>): Promise<Predictions & { metrics: Record<string, number> }> {
    const { result, metrics } = await this.#evaluation(dataset, 'test', true);
    const { predictions, label_ids } = result;
    return { predictions, metrics, ...(label_ids && { label_ids }) };
  }

  async #run(run: Run<Batch>): Promise<TrainResult> {
    const { args } = this;
    const state = this.#state;
    const begun = performance.now();
    const first = state.global_step;
    const reporter = this.#reporter({ total: state.max_steps, start: first, label: 'train' });
    if (args.gradient_checkpointing) this.#options.model.gradientCheckpointingEnable?.();
    this.#options.model.train();
    try {
      await this.#tell('onTrainBegin', run);
      while (state.global_step < state.max_steps && !run.stopped) await this.#epoch(run, reporter);
      if (args.load_best_model_at_end && !run.signal?.aborted && state.best_model_checkpoint !== null && args.output_dir !== undefined)
        await loadWeights(`${args.output_dir}/${state.best_model_checkpoint}`, this.#options.model);
      await this.#tell('onTrainEnd', run);
    } finally {
      reporter?.end();
      this.#options.model.eval();
    }
    const seconds = (performance.now() - begun) / 1000;
    const training_loss = state.global_step > 0 ? state.total_loss / state.global_step : Number.NaN;
    const metrics = {
      train_runtime: seconds,
      train_steps_per_second: (state.global_step - first) / seconds,
      train_loss: training_loss,
      epoch: state.epoch,
    };
    return { global_step: state.global_step, training_loss, metrics, stopped: run.stopped };
  }

  async #epoch(run: Run<Batch>, reporter: ProgressReporter | undefined): Promise<void> {
    const { loader } = run;
    const size = this.args.gradient_accumulation_steps;
    let group: Batch[] = [];
    if (loader.position % loader.length === 0) await this.#tell('onEpochBegin', run);
    for await (const batch of loader) {
      group.push(batch);
      const atEnd = loader.position === loader.length;
      if (group.length < size && !atEnd) continue;
      const tokens = group.reduce((sum, one) => sum + countTokens(one), 0);
      const loss = await this.#update(run, group);
      reporter?.update({ loss, tokens });
      group = [];
      reporter?.advance();
      await this.#afterUpdate(run, atEnd);
      await pause();
      if (run.signal?.aborted) {
        run.stopped = true;
        if (this.args.output_dir !== undefined && run.savedAt !== this.#state.global_step) await this.#save(run, this.args.output_dir);
      }
      if (run.stopped || this.#state.global_step >= this.#state.max_steps) return;
    }
  }

  /** One update of the weights. @returns the mean loss of its batches */
  async #update(run: Run<Batch>, group: readonly Batch[]): Promise<number> {
    const { optimizer, scheduler } = run;
    const { args } = this;
    let total = 0;
    for (const batch of group) {
      total += await optimizer.backwardAsync(() => this.#options.model.forward(batch).loss, { scale: 1 / group.length });
      freeBatch(batch);
    }
    if (args.max_grad_norm > 0) run.gradNorm = optimizer.clipGradNorm(args.max_grad_norm);
    await this.#tell('onPreOptimizerStep', run);
    run.lr = optimizer.lr;
    optimizer.step();
    this.#options.model.afterOptimizerStep?.(this.#state.global_step + 1, optimizer.gradients);
    await this.#tell('onOptimizerStep', run);
    scheduler.step();
    optimizer.zeroGrad();
    const state = this.#state;
    state.global_step++;
    state.epoch = (run.loader.epoch * run.loader.length + run.loader.position) / run.loader.length;
    state.total_loss += total / group.length;
    await this.#tell('onStepEnd', run);
    return total / group.length;
  }

  /** Log, evaluation and checkpoint, where they are due. */
  async #afterUpdate(run: Run<Batch>, epochEnds: boolean): Promise<void> {
    const { args } = this;
    const state = this.#state;
    const { global_step: step } = state;
    const last = step >= state.max_steps;
    const due = (strategy: string, every: number) =>
      strategy === 'steps' ? step % every === 0 : strategy === 'epoch' && (epochEnds || last);
    if (epochEnds) await this.#tell('onEpochEnd', run);
    if (step % args.logging_steps === 0) await this.#log(run);
    const metrics = due(args.eval_strategy, args.eval_steps) ? await this.evaluate() : undefined;
    if (metrics) {
      state.log_history.push({ ...metrics, epoch: state.epoch, step });
      await this.#tell('onEvaluate', run, { metrics });
    }
    const saving = due(args.save_strategy, args.save_steps) || (args.save_strategy === 'steps' && last);
    if (metrics && (saving || !args.load_best_model_at_end)) this.#judge(metrics, saving);
    if (saving) await this.#save(run, args.output_dir as string);
  }

  async #log(run: Run<Batch>): Promise<void> {
    const state = this.#state;
    const logs: LogEntry = {
      loss: (state.total_loss - state.logged.total_loss) / (state.global_step - state.logged.step),
      ...(run.gradNorm !== undefined && { grad_norm: run.gradNorm }),
      learning_rate: run.lr ?? run.optimizer.lr,
      epoch: state.epoch,
      step: state.global_step,
    };
    state.logged = { total_loss: state.total_loss, step: state.global_step };
    state.log_history.push(logs);
    await this.#tell('onLog', run, { logs });
  }

  /** Remembers whether this is the best so far. */
  #judge(metrics: Readonly<Record<string, number>>, saving: boolean): void {
    const { metric_for_best_model: wanted, greater_is_better } = this.args;
    const name = wanted.startsWith('eval_') ? wanted : `eval_${wanted}`;
    const value = metrics[name];
    if (value === undefined) {
      if (!this.args.load_best_model_at_end) return;
      throw new Error(`metric_for_best_model "${wanted}" is not among what the evaluation gave: ${Object.keys(metrics).join(', ')}`);
    }
    const best = this.#state.best_metric;
    if (best !== null && !(greater_is_better ? value > best : value < best)) return;
    this.#state.best_metric = value;
    this.#state.best_model_checkpoint = saving ? `checkpoint-${this.#state.global_step}` : null;
  }

  async #save(run: Run<Batch>, where: string): Promise<void> {
    const state = this.#state;
    Object.assign(state, { data: run.loader.state(), scheduler: run.scheduler.state(), generator: defaultGenerator().getState() });
    const name = await saveCheckpoint(where, this.#options.model, run.optimizer, state);
    run.savedAt = state.global_step;
    const { save_total_limit: limit, load_best_model_at_end: keepBest } = this.args;
    if (limit !== undefined) await rotateCheckpoints(where, limit, [name, keepBest ? state.best_model_checkpoint : null]);
    await this.#tell('onSave', run, { checkpoint: `${where}/${name}` });
  }

  async #resume({ loader, optimizer, scheduler }: Run<Batch>, from: string | true, setup: TrainingSetup): Promise<void> {
    const { output_dir } = this.args;
    if (from === true && output_dir === undefined)
      throw new Error('resume_from_checkpoint: true needs an output_dir; or name the checkpoint');
    const where = from === true ? await lastCheckpoint(output_dir as string) : from;
    this.#state = await loadCheckpoint(where, this.#options.model, optimizer);
    const changed = misfits(this.#state, setup);
    if (changed.length > 0) warn(`training goes on, but not as it would have without a break: ${changed.join('; ')}`);
    scheduler.load(this.#state.scheduler);
    loader.load(this.#state.data);
    defaultGenerator().setState(this.#state.generator);
  }

  async #evaluation(dataset: ArrayLike<Example> | Dataset<Example>, prefix: string, keepLogits: boolean) {
    const { model, compute_metrics } = this.#options;
    const batchSize = this.args.per_device_eval_batch_size;
    const begun = performance.now();
    const loader = this.#loader(dataset, { batch_size: batchSize });
    const reporter = this.#reporter({ total: loader.length, label: prefix });
    const examples = { length: dataset.length, batchSize };
    const result: EvaluationResult = await runEvaluation(model, loader, examples, keepLogits, reporter);
    const computed = compute_metrics && result.label_ids ? await compute_metrics(result) : {};
    const seconds = (performance.now() - begun) / 1000;
    const named = Object.entries({ ...(result.loss !== undefined && { loss: result.loss }), ...computed });
    const metrics: Record<string, number> = Object.fromEntries(
      named.map(([name, value]) => [name.startsWith(`${prefix}_`) ? name : `${prefix}_${name}`, value]),
    );
    return { result, metrics: { ...metrics, [`${prefix}_runtime`]: seconds, [`${prefix}_samples_per_second`]: result.samples / seconds } };
  }

  #reporter(options: ProgressOptions): ProgressReporter | undefined {
    const { progress_stream: stream } = this.#options;
    return this.args.disable_tqdm ? undefined : new ProgressReporter({ ...options, ...(stream && { stream }) });
  }

  #trainLoader(): DataLoader<Batch> {
    const { train_dataset: dataset } = this.#options;
    const { per_device_train_batch_size: batch_size, dataloader_drop_last: dropLast, seed } = this.args;
    if (!dataset) throw new Error('there is nothing to train on: give a train_dataset');
    const loader = this.#loader(dataset, { batch_size, shuffle: true, seed, dropLast });
    if (loader.length === 0) throw new Error(`the train_dataset gives no batch: it has ${dataset.length} examples, a batch ${batch_size}`);
    return loader;
  }

  #loader(
    dataset: ArrayLike<Example> | Dataset<Example>,
    options: { batch_size: number; shuffle?: boolean; seed?: number; dropLast?: boolean },
  ): DataLoader<Batch> {
    const { data_collator } = this.#options;
    return dataLoader<Example, Batch>(dataset as Dataset<Example>, data_collator ? { ...options, collate: data_collator } : options);
  }

  #setup(loader: DataLoader<Batch>, max_steps: number): TrainingSetup {
    const { per_device_train_batch_size: train_batch_size, gradient_accumulation_steps, seed } = this.args;
    return { max_steps, batches_per_epoch: loader.length, train_batch_size, gradient_accumulation_steps, seed };
  }

  async #tell(what: keyof TrainerCallback, run: Run<Batch>, more: object = {}): Promise<void> {
    const stop = () => {
      run.stopped = true;
    };
    const event = { state: this.#state, optimizer: run.optimizer, stop, ...more };
    for (const callback of this.#options.callbacks ?? [])
      await (callback[what] as ((event: TrainerEvent) => unknown) | undefined)?.call(callback, event);
  }
}

/** What belongs to one call of `train`. */
interface Run<Batch> {
  readonly loader: DataLoader<Batch>;
  readonly optimizer: Optimizer;
  readonly scheduler: Scheduler;
  readonly signal?: AbortSignal;
  stopped: boolean;
  savedAt: number;
  gradNorm?: number;
  lr?: number;
}
