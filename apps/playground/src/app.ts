import type {
  AdapterInfo,
  EngineChoice,
  EngineInfo,
  Files,
  ModelChoice,
  ModelInfo,
  TextChoice,
  Told,
  TrainRequest,
  TrainSettings,
} from './api';
import { type Client, connect, WorkerLost } from './client';
import { explain, type Problem } from './explain';
import { titleOf } from './methods';

/** An adapter as the page holds it; the worker can be lost, this is not. */
export interface Adapter {
  /** Another one whenever its weights change. */
  id: string;
  name: string;
  /** The model it belongs to. */
  model: string;
  info: AdapterInfo;
  files: Files;
  /** Losses of the steps it was trained here. */
  losses: number[];
  /** Where its training here stands. */
  training?: { state: Files; step: number; steps: number; text: TextChoice; settings: TrainSettings };
  merged?: Files;
}

/** A text that the model wrote. */
export interface Sample {
  /** None: the model alone. */
  adapter: Adapter | null;
  prompt: string;
  text: string;
  /** Mean loss of a token of the held-out text. */
  heldOut?: number;
  done: boolean;
}

export type Task = 'starting' | 'loading' | 'training' | 'stopping' | 'writing' | 'reading' | 'merging';

export interface Run {
  losses: number[];
  step: number;
  steps: number;
  /** Of the last seconds. */
  tokensPerSecond: number;
  secondsLeft: number;
  adapter?: Adapter;
}

export interface WriteOptions {
  prompt: string;
  tokens: number;
  temperature: number;
}

/** All that the page shows, and what can be done. Whoever shows something subscribes and looks at it anew. */
export interface App {
  readonly engine: EngineInfo | undefined;
  readonly model: ModelInfo | undefined;
  readonly task: Task | undefined;
  /** What is being done now, in words. */
  readonly phase: string;
  readonly download: { loaded: number; total: number } | undefined;
  readonly run: Run | undefined;
  readonly samples: readonly Sample[];
  /** Of the model that is loaded. */
  readonly adapters: readonly Adapter[];
  readonly problem: Problem | undefined;
  readonly client: Client;
  subscribe(changed: () => void): void;
  start(engine: EngineChoice): Promise<void>;
  loadModel(choice: ModelChoice): Promise<void>;
  train(config: Record<string, unknown>, text: TextChoice, settings: TrainSettings, write: WriteOptions): Promise<void>;
  goOn(adapter: Adapter, text: TextChoice, settings: TrainSettings, write: WriteOptions): Promise<void>;
  /** Ends training or writing after what runs now; said twice, at once, and what the training has learned is lost. */
  stop(): void;
  write(options: WriteOptions, text: TextChoice, block: number): Promise<void>;
  addAdapter(files: Files, name: string): Promise<void>;
  rename(adapter: Adapter, name: string): void;
  remove(adapter: Adapter): void;
  merge(adapter: Adapter): Promise<void>;
  fail(title: string, error: Error): void;
  dismiss(): void;
}

export function createApp(): App {
  const listeners: (() => void)[] = [];
  const adapters: Adapter[] = [];
  let choice: ModelChoice = { kind: 'built-in' };
  let engineChoice: EngineChoice = 'best';
  let ids = 0;
  let speeds: { tokens: number; seconds: number }[] = [];
  const state = {
    engine: undefined as EngineInfo | undefined,
    model: undefined as ModelInfo | undefined,
    task: undefined as Task | undefined,
    phase: '',
    download: undefined as App['download'],
    run: undefined as Run | undefined,
    samples: [] as Sample[],
    problem: undefined as Problem | undefined,
  };
  const changed = () => {
    for (const listener of listeners) listener();
  };
  const update = (change: Partial<typeof state>) => {
    Object.assign(state, change);
    changed();
  };
  const newId = () => `adapter-${++ids}`;

  let client = connect(hear, restart);

  function hear(told: Told): void {
    if (told.kind === 'step') step(told);
    else if (told.kind === 'download') update({ download: { loaded: told.loaded, total: told.total } });
    else if (told.kind === 'phase') update({ phase: told.text });
    else if (told.kind === 'text') {
      const sample = state.samples.find(({ done }) => !done);
      if (sample) sample.text += told.text;
      changed();
    } else console.warn(told.text);
  }

  function step({ step, steps, loss, tokens, seconds }: Extract<Told, { kind: 'step' }>): void {
    const { run } = state;
    if (!run) return;
    run.losses.push(loss);
    speeds = [...speeds.slice(-9), { tokens, seconds }];
    const spent = speeds.reduce((sum, one) => sum + one.seconds, 0);
    Object.assign(run, {
      step,
      steps,
      tokensPerSecond: speeds.reduce((sum, one) => sum + one.tokens, 0) / spent,
      secondsLeft: ((steps - step) * spent) / speeds.length,
    });
    changed();
  }

  /** The worker died: another one takes its place, with the same engine and model. */
  function restart(): void {
    client = connect(hear, restart);
    update({ engine: undefined, model: undefined });
    setTimeout(() => void app.start(engineChoice));
  }

  /** Does one thing at a time and says what went wrong. */
  async function attempt(task: Task, title: string, work: () => Promise<void>): Promise<void> {
    if (state.task) return;
    update({ task, problem: undefined });
    try {
      await work();
    } catch (error) {
      app.fail(title, error as Error);
    } finally {
      update({ task: undefined, phase: '', download: undefined });
    }
  }

  const refOf = (adapter: Adapter | null) => adapter && { id: adapter.id, files: adapter.files };
  const ofModel = () => adapters.filter(({ model }) => model === state.model?.name);

  async function trainWith(
    start: TrainRequest['start'],
    old: Adapter | undefined,
    text: TextChoice,
    settings: TrainSettings,
  ): Promise<Adapter> {
    const { name: model } = state.model as ModelInfo;
    speeds = [];
    update({
      run: { losses: old ? [...old.losses] : [], step: 0, steps: settings.steps, tokensPerSecond: 0, secondsLeft: 0 },
      phase: 'Preparing',
    });
    const { files, info, state: standing, step, steps } = await client.call('train', { start, text, settings });
    const { losses } = state.run as Run;
    const named = old?.name ?? uniqueName(titleOf(info.method));
    const adapter: Adapter = {
      id: newId(),
      name: named,
      model,
      info,
      files,
      losses,
      training: { state: standing, step, steps, text, settings },
    };
    const place = old ? adapters.indexOf(old) : -1;
    if (place >= 0) adapters[place] = adapter;
    else adapters.push(adapter);
    (state.run as Run).adapter = adapter;
    changed();
    return adapter;
  }

  function uniqueName(wanted: string): string {
    const names = new Set(ofModel().map(({ name }) => name));
    for (let i = 1; ; i++) {
      const name = i === 1 ? wanted : `${wanted} ${i}`;
      if (!names.has(name)) return name;
    }
  }

  async function writeAll(
    which: readonly (Adapter | null)[],
    { prompt, tokens, temperature }: WriteOptions,
    text: TextChoice,
    block: number,
  ) {
    const samples: Sample[] = which.map((adapter) => ({ adapter, prompt, text: '', done: false }));
    update({ samples, phase: 'Writing' });
    for (const sample of samples) {
      const adapter = refOf(sample.adapter);
      const whole = await client.call('write', { prompt, tokens, temperature, adapter });
      Object.assign(sample, { done: true, text: whole.startsWith(prompt) ? whole.slice(prompt.length) : sample.text });
      sample.heldOut = await client.call('measure', { text, block, adapter });
      changed();
    }
  }

  const app: App = {
    get engine() {
      return state.engine;
    },
    get model() {
      return state.model;
    },
    get task() {
      return state.task;
    },
    get phase() {
      return state.phase;
    },
    get download() {
      return state.download;
    },
    get run() {
      return state.run;
    },
    get samples() {
      return state.samples;
    },
    get problem() {
      return state.problem;
    },
    get adapters() {
      return ofModel();
    },
    get client() {
      return client;
    },
    subscribe(listener) {
      listeners.push(listener);
    },
    async start(engine) {
      engineChoice = engine;
      await attempt('starting', 'The engine does not start', async () => {
        update({ engine: undefined, model: undefined });
        update({ engine: await client.call('start', engine) });
      });
      if (state.engine) await app.loadModel(choice);
    },
    loadModel: (wanted) =>
      attempt('loading', 'The model cannot be loaded', async () => {
        update({ model: undefined });
        update({ model: await client.call('loadModel', wanted), samples: [], run: undefined });
        choice = wanted;
      }),
    train: (config, text, settings, write) =>
      attempt('training', 'The training failed', async () => {
        const adapter = await trainWith({ config }, undefined, text, settings);
        await writeAll([null, adapter], write, text, settings.block);
      }),
    goOn: (old, text, settings, write) =>
      attempt('training', 'The training failed', async () => {
        const stopped = old.training && old.training.step < old.training.steps ? old.training : undefined;
        const start = { adapter: { id: old.id, files: old.files }, state: stopped?.state ?? null };
        const used = stopped ?? { text, settings };
        const adapter = await trainWith(start, old, used.text, used.settings);
        await writeAll([null, adapter], write, used.text, used.settings.block);
      }),
    stop() {
      if (state.task === 'stopping') return client.end();
      if (state.task === 'training' && state.phase !== 'Writing') update({ task: 'stopping' });
      client.stop();
    },
    write: (options, text, block) =>
      attempt('writing', 'The text cannot be written', () => writeAll([null, ...ofModel()], options, text, block)),
    addAdapter: (files, name) =>
      attempt('reading', 'This adapter cannot be used', async () => {
        const info = await client.call('inspect', files);
        adapters.push({ id: newId(), name: uniqueName(name), model: (state.model as ModelInfo).name, info, files, losses: [] });
      }),
    rename(adapter, name) {
      adapter.name = name.trim() || adapter.name;
      changed();
    },
    remove(adapter) {
      adapters.splice(adapters.indexOf(adapter), 1);
      update({ samples: state.samples.filter((sample) => sample.adapter !== adapter) });
    },
    merge: (adapter) =>
      attempt('merging', 'The adapter cannot be merged', async () => {
        adapter.merged = await client.call('merge', { id: adapter.id, files: adapter.files });
      }),
    fail(title, error) {
      if (!(error instanceof WorkerLost)) console.error(error);
      update({ problem: explain(title, error) });
    },
    dismiss: () => update({ problem: undefined }),
  };
  return app;
}
