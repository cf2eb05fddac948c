import type * as tf from '@tensorflow/tfjs-core';
import { type HubOptions, hub } from '../files/hub';
import { Unreachable } from '../files/hubConnection';
import { type PushOptions, pushToHub } from '../files/pushToHub';
import type { TensorToWrite } from '../files/safetensors';
import { memorySink, type SinkLocation } from '../files/sink';
import type { Location, Source } from '../files/source';
import { isA, kind } from '../module/brand';
import { disposeModule, Module, namedModules, parameters, setTraining } from '../module/Module';
import type { Parameter } from '../module/Parameter';
import { withCheckpointing } from '../ops/checkpoint';
import type { BaseModel } from '../tuner/BaseModel';
import { BASE } from '../tuner/mixedBatch';
import { type PeftConfig, type Tuned, tunerOf } from '../tuner/PeftConfig';
import type { Tokenizer } from '../tuner/Tokenizer';
import type { AnyTuner, BaseOf, CombineOf, ConfigOf, HandleOf } from '../tuner/Tuner';
import { warn } from '../warn';
import { type AttachedAdapter, attachAdapter, detachAdapter } from './attach';
import { countParameters, formatCount } from './count';
import { type LoadReport, loadAdapterFiles, readAdapter } from './load';
import { ModulesToSaveWrapper } from './ModulesToSave';
import { readCard, saveAdapters } from './save';
import { type LayerStatus, layerStatus, type ModelStatus, modelStatus } from './status';

export interface AddAdapterOptions {
  /** For methods that read text. */
  tokenizer?: Tokenizer;
}

export interface LoadAdapterOptions extends HubOptions, AddAdapterOptions {
  /** Methods that may be loaded, beside the registered ones. */
  tuners?: readonly AnyTuner[];
  /** Whether training goes on; otherwise the adapter is frozen and the model set to evaluation. @default false */
  isTrainable?: boolean;
  /** `loadTrainingState` follows, for methods whose files do not hold all that they train. @default false */
  continues?: boolean;
  /** Keys in the file that the model has no place for are an error, not a warning. @default false */
  strict?: boolean;
  /** Taken instead of `adapter_config.json`. */
  config?: PeftConfig & { readonly [tunerOf]?: AnyTuner };
}

export interface SaveOptions {
  /** Only these adapters. @default all */
  selectedAdapters?: readonly string[];
  /** The adapter as it was before training: what is saved then fits the base as it was before the adapter's initialisation changed it. */
  initialAdapter?: Location;
}

export interface MergeOptions {
  /** Which adapters. @default the active ones */
  adapterNames?: readonly string[];
  /** Refuse weights that are not finite, leaving everything as it was. @default false */
  safeMerge?: boolean;
}

type InputOf<Base> = Base extends { forward(input: infer Input): unknown } ? Input : never;
type OutputOf<Base> = Base extends { forward(input: never): infer Output } ? Output : never;
type GenerateOf<Base> = Base extends { generate(options: infer Options, ...rest: never[]): infer Result }
  ? (options: Options & MixedBatch) => Result
  : never;

/** For a batch whose rows use different adapters: one name a row, `__base__` for none. */
export interface MixedBatch {
  adapter_names?: readonly string[];
}

/** A frozen model with one or more adapters on it. */
export class PeftModel<Base extends BaseModel = BaseModel, T extends AnyTuner = AnyTuner> extends Module {
  static override readonly [kind] = 'PeftModel';
  /** The same nesting as in Python, so that parameter names are the same. */
  readonly base_model: { readonly model: Base };
  readonly #adapters = new Map<string, AttachedAdapter<T>>();
  #active: readonly string[] = [];
  #disabled = false;
  #checkpoints = false;
  #merged: readonly string[] = [];

  /** Use `getPeftModel` or `PeftModel.fromPretrained`. */
  constructor(base: Base, config: Tuned<T>, name = 'default', { tokenizer }: AddAdapterOptions = {}) {
    super();
    this.base_model = { model: base };
    const own = parameters(base);
    this.#attach(name, config, tokenizer);
    // Only now: a refused adapter leaves the base as it was. An adapter may have put other parameters in the place of some.
    for (const parameter of [...own, ...parameters(base)]) parameter.trainable = false;
    this.setAdapter(name);
    setTraining(this, !config.inference_mode);
  }

  /**
   * Puts a saved adapter, from a folder, a hub repository or files in memory, on a base model.
   * Errors: all missing keys and wrong shapes at once; the base is then as it was.
   */
  static async fromPretrained<Base extends BaseModel, T extends AnyTuner = AnyTuner>(
    base: Base,
    where: Location,
    { adapterName = 'default', ...options }: LoadAdapterOptions & { adapterName?: string; tuners?: readonly T[] } = {},
  ): Promise<PeftModel<Base, T>> {
    const { config, checkpoint, source } = await readAdapter<T>(where, options);
    const trained = parameters(base).filter((parameter) => parameter.trainable);
    const model = new PeftModel<Base, T>(base, config, adapterName, options);
    await model.#fill(adapterName, checkpoint, source, options, () => {
      model.unload();
      for (const parameter of trained) parameter.trainable = true;
    });
    return model;
  }

  /** The configs by adapter name. */
  get peftConfig(): Readonly<Record<string, ConfigOf<T>>> {
    return Object.fromEntries([...this.#adapters].map(([name, { config }]) => [name, config as ConfigOf<T>]));
  }

  /** Adapters that compute, in the order in which they were set. */
  get activeAdapters(): readonly string[] {
    return this.#active;
  }

  get activeAdapter(): string {
    return this.#active[0] ?? '';
  }

  /** The method's own handle on an adapter. @param name @default the active one */
  adapter(name = this.activeAdapter): HandleOf<T> {
    return this.#get(name).handle as HandleOf<T>;
  }

  getBaseModel(): Base {
    return this.base_model.model;
  }

  /** The base model's forward pass with the active adapters; tensors are the caller's. */
  forward(input: InputOf<Base> & MixedBatch): OutputOf<Base> {
    const base = this.base_model.model as unknown as { forward(input: unknown): OutputOf<Base> };
    const { adapter_names, ...rest } = input as MixedBatch & Record<string, unknown>;
    const batch = adapter_names === undefined && !this.#answersQuestions ? input : this.#answersQuestions ? withoutPositions(rest) : rest;
    // Each sample must have as many rows of activations: they tell whose is whose.
    if (adapter_names !== undefined) return this.#forwardMixed({ ...(batch as object), whole: true }, adapter_names);
    let forward = (x: unknown) => base.forward(x);
    if (!this.#disabled)
      for (const name of this.#active) {
        const { handle } = this.#get(name);
        const wrapped = handle.wrap?.(forward as never) as ((x: unknown) => OutputOf<Base>) | undefined;
        forward = wrapped ?? forward;
      }
    return this.#checkpoints && this.training ? withCheckpointing(() => forward(batch)) : forward(batch);
  }

  /** From now on training computes each layer's activations again on the way back and keeps none: a third slower, for far less memory. */
  gradientCheckpointingEnable(): this {
    this.#checkpoints = true;
    return this;
  }

  gradientCheckpointingDisable(): this {
    this.#checkpoints = false;
    return this;
  }

  /** The base model's generation with the active adapters, or with `adapter_names` one adapter a row. */
  readonly generate = ((options: MixedBatch & Record<string, unknown>) => {
    const base = this.base_model.model as unknown as { generate?(options: object, forward: (batch: never) => unknown): unknown };
    if (!base.generate) throw new Error('this base model does not generate');
    const { adapter_names: names, ...rest } = options;
    return base.generate(rest, (batch: Record<string, unknown>) => {
      if (!names) return this.forward(batch as never);
      const count = batchSize(batch, this.base_model.model) ?? names.length;
      // Beams stand side by side, so every name counts for each beam of its row.
      const each = count / names.length;
      return this.forward({ ...batch, adapter_names: names.flatMap((name) => Array.from({ length: each }, () => name)) } as never);
    });
  }) as unknown as GenerateOf<Base>;

  /** Turns dropout on. */
  train(): this {
    setTraining(this, true);
    return this;
  }

  /** Turns dropout off. */
  eval(): this {
    setTraining(this, false);
    return this;
  }

  /** Puts another adapter of the same method beside the others, frozen until `setAdapter` names it. */
  addAdapter(name: string, config: Tuned<T>, { tokenizer }: AddAdapterOptions = {}): void {
    this.#attach(name, config, tokenizer);
    this.#refresh();
  }

  /** Loads an adapter under a new name, or new weights into an existing one. Does not activate it. */
  async loadAdapter(where: Location, name: string, options: LoadAdapterOptions = {}): Promise<LoadReport> {
    const known = [...this.#adapters.values()].map(({ config }) => config[tunerOf]);
    const { config, checkpoint, source } = await readAdapter<T>(where, {
      ...options,
      tuners: [...(options.tuners ?? []), ...known] as T[],
    });
    if (!this.#adapters.has(name)) {
      this.addAdapter(name, config, options);
      return this.#fill(name, checkpoint, source, options, () => this.deleteAdapter(name));
    }
    const refit = this.#get(name).handle.refit?.(config);
    const report = await this.#fill(name, checkpoint, source, options, () => refit?.undo());
    refit?.keep();
    this.#refresh();
    return report;
  }

  /** Chooses which adapter computes, or several whose effects are added. @param inferenceMode keep them frozen */
  setAdapter(names: string | readonly string[], { inferenceMode }: { inferenceMode?: boolean } = {}): void {
    const chosen = typeof names === 'string' ? [names] : names;
    for (const name of chosen) this.#get(name);
    if (this.#merged.length > 0) {
      warn(`adapters ${this.#merged.join(', ')} are merged; they are unmerged before another one is set`);
      this.unmergeAdapter();
    }
    this.#checkSavedModules(chosen);
    for (const [, attached] of this.#adapters) attached.enable(false);
    this.#active = [...chosen];
    for (const name of chosen) {
      const attached = this.#get(name);
      if (!this.#disabled) attached.enable(true);
      if (inferenceMode !== undefined) (attached.config as PeftConfig).inference_mode = inferenceMode;
    }
    this.#refresh();
  }

  /** Takes an adapter off and frees its weights; if it was the only active one, the alphabetically first of the rest becomes active. */
  deleteAdapter(name: string): void {
    const attached = this.#get(name);
    if (this.#merged.includes(name)) throw new Error(`adapter "${name}" is merged and cannot be deleted: call unmergeAdapter() first`);
    attached.enable(false);
    detachAdapter(attached);
    this.#adapters.delete(name);
    const left = this.#active.filter((other) => other !== name);
    const next = [...this.#adapters.keys()].sort()[0];
    if (left.length === 0 && next !== undefined && this.#active.includes(name)) {
      warn(`adapter "${name}" was active and is deleted; "${next}" is active now`);
      this.setAdapter(next);
    } else this.#active = left;
    this.#refresh();
  }

  /** Runs something with the base model alone, in which nothing is trained. Merged adapters are unmerged for that time. */
  disableAdapter<R>(scope: () => R): R {
    const merged = this.#merged;
    const wasDisabled = this.#disabled;
    const trained = Object.values(this.trainableParameters());
    const restore = () => {
      this.#disabled = wasDisabled;
      for (const parameter of trained) parameter.trainable = true;
      if (!wasDisabled) for (const name of this.#active) this.#adapters.get(name)?.enable(true);
      if (merged.length > 0) this.mergeAdapter({ adapterNames: merged });
    };
    if (merged.length > 0) this.unmergeAdapter();
    this.#disabled = true;
    for (const [, attached] of this.#adapters) attached.enable(false);
    for (const parameter of trained) parameter.trainable = false;
    let result: R;
    try {
      result = scope();
    } catch (error) {
      restore();
      throw error;
    }
    if (result instanceof Promise) return result.finally(restore) as R;
    restore();
    return result;
  }

  /** Adds adapters into the base weights; `unmergeAdapter` takes them out again, to the bit. */
  mergeAdapter({ adapterNames = this.#active, safeMerge = false }: MergeOptions = {}): void {
    if (!Array.isArray(adapterNames)) throw new TypeError(`adapterNames must be a list of names, not ${JSON.stringify(adapterNames)}`);
    const todo = adapterNames.filter((name) => !this.#merged.includes(name));
    for (const name of todo)
      if (!this.#get(name).handle.merge) throw new Error(`${this.#get(name).config.peft_type} adapters cannot be merged into the base`);
    if (todo.length === 0) warn('all these adapters are merged already: nothing to do');
    const before = this.#merged;
    try {
      for (const name of todo) {
        this.#get(name).handle.merge?.({ safe: safeMerge });
        this.#merged = [...this.#merged, name];
      }
    } catch (error) {
      const failed = this.#merged;
      for (const name of todo) this.#get(name).handle.unmerge?.();
      this.#merged = [];
      for (const name of before) this.#get(name).handle.merge?.();
      this.#merged = before;
      if (failed.length > before.length) warn(`adapters ${failed.slice(before.length).join(', ')} were unmerged again`);
      throw error;
    }
  }

  /** Puts the base weights back as they were before `mergeAdapter`. */
  unmergeAdapter(): void {
    if (this.#merged.length === 0) warn('nothing is merged: nothing to unmerge');
    for (const name of this.#merged) this.#get(name).handle.unmerge?.();
    this.#merged = [];
  }

  /** The base model with the adapters in its weights and trained modules in their places; this PeftModel is then of no more use. */
  mergeAndUnload({ adapterNames, safeMerge = false }: MergeOptions = {}): Base {
    const names = adapterNames ?? this.#active;
    if (names.some((name) => !this.#merged.includes(name))) this.mergeAdapter({ adapterNames: names, safeMerge });
    return this.#release(true);
  }

  /** The base model without adapters; as in Python PEFT, trained copies of whole modules stay in their places. */
  unload(): Base {
    if (this.#merged.length > 0) this.unmergeAdapter();
    return this.#release(false);
  }

  /** Adds an adapter that is a weighted combination of others, frozen and not active. */
  addWeightedAdapter(adapters: readonly string[], weights: readonly number[], name: string, options?: CombineOf<T>): void {
    if (this.#adapters.has(name)) throw new Error(`there is an adapter "${name}" already: delete it or choose another name`);
    if (adapters.length === 0 || adapters.length !== weights.length)
      throw new Error(`${adapters.length} adapters and ${weights.length} weights: give one weight an adapter`);
    const sources = adapters.map((source) => ({ name: source, config: this.#get(source).config, handle: this.#get(source).handle }));
    const tuner = this.#get(adapters[0] as string).config[tunerOf];
    if (!tuner.combine) throw new Error(`${tuner.type} adapters cannot be combined`);
    const { config, fill } = tuner.combine(sources as never, weights, (options ?? {}) as never);
    this.addAdapter(name, { ...config, [tunerOf]: tuner } as Tuned<T>);
    try {
      fill(this.#get(name).handle as never, name);
    } catch (error) {
      this.deleteAdapter(name);
      throw error;
    }
  }

  /** What training updates, by the names Python gives them without the adapter's name. */
  trainableParameters(): Record<string, Parameter> {
    return Object.fromEntries(
      this.#active.flatMap((name) =>
        Object.entries(this.#get(name).parameters())
          .filter(([, parameter]) => parameter.trainable)
          .map(([key, parameter]) => [this.#active.length > 1 ? `${name}:${key}` : key, parameter] as const),
      ),
    );
  }

  /**
   * Tells the active adapters that an optimizer has made a step, for methods that change along the training. `Trainer` calls it;
   * a loop of one's own calls it between `step()` and `zeroGrad()`.
   * @param step counted from 1 @param gradients the optimizer's
   */
  afterOptimizerStep(step: number, gradients: Readonly<Record<string, tf.Tensor>>): void {
    for (const name of this.#active) this.#get(name).handle.afterOptimizerStep?.(step, gradients);
  }

  /** What an exact continuation of the training needs beyond the adapters' files, by adapter and name; copies. */
  trainingState(): Record<string, TensorToWrite> {
    const named = this.#active.flatMap((name) =>
      Object.entries<TensorToWrite>(this.#get(name).handle.trainingState?.() ?? {}).map(
        ([key, tensor]) => [`${name}:${key}`, tensor] as const,
      ),
    );
    return Object.fromEntries(named);
  }

  /** Puts back what `trainingState` gave. */
  loadTrainingState(state: Readonly<Record<string, TensorToWrite>>): void {
    for (const name of this.#active) {
      const own = Object.entries(state).filter(([key]) => key.startsWith(`${name}:`));
      this.#get(name).handle.loadTrainingState?.(Object.fromEntries(own.map(([key, tensor]) => [key.slice(name.length + 1), tensor])));
    }
    this.#refresh();
  }

  /** [trainable, all]; a trained copy of a head counts once. */
  getNbTrainableParameters(): [trainable: number, all: number] {
    return countParameters(this.base_model.model, [...this.#adapters.values()]);
  }

  /** Prints what `getNbTrainableParameters` counts, in the form of PEFT's guides. */
  printTrainableParameters(print: (line: string) => void = console.log): void {
    print(formatCount(...this.getNbTrainableParameters()));
  }

  getLayerStatus(): LayerStatus[] {
    return layerStatus(this.#statusInput());
  }

  getModelStatus(): ModelStatus {
    return modelStatus(this.#statusInput());
  }

  /** What an adapter's file holds, by its keys there; the parameters stay the model's. */
  adapterState(name = this.activeAdapter): Record<string, Parameter> {
    return this.#get(name).state();
  }

  /** Writes `adapter_config.json`, `adapter_model.safetensors` and a model card, `README.md`, or keeps up the one that is there; adapters not called `default` go into folders of their names. */
  async savePretrained(where: SinkLocation, options: SaveOptions = {}): Promise<void> {
    await saveAdapters(this.base_model.model, this.#adapters as ReadonlyMap<string, AttachedAdapter<AnyTuner>>, where, options);
  }

  /**
   * Writes the adapters to a repository of the hub, which is made if it is not there.
   * @param repo `owner/name`
   * @returns the address of the commit. Errors: no token, or none that may write there
   */
  async pushToHub(repo: string, { selectedAdapters, initialAdapter, ...options }: SaveOptions & PushOptions = {}): Promise<string> {
    const sink = memorySink();
    // A repository that is not there, or not to be read, has no card to be kept up; one that does not answer may have one.
    const card = await readCard(hub(repo, options)).catch((error) => {
      if (error instanceof Unreachable) throw error;
      return undefined;
    });
    await saveAdapters(this.base_model.model, this.#adapters as ReadonlyMap<string, AttachedAdapter<AnyTuner>>, sink, {
      card,
      ...(selectedAdapters && { selectedAdapters }),
      ...(initialAdapter !== undefined && { initialAdapter }),
    });
    return pushToHub(repo, sink.files, options);
  }

  /** Frees the values of base and adapters. */
  dispose(): void {
    disposeModule(this.unload());
  }

  get #answersQuestions(): boolean {
    return this.#active.some((name) => this.#get(name).config.task_type === 'QUESTION_ANS');
  }

  #get(name: string): AttachedAdapter<T> {
    const attached = this.#adapters.get(name);
    if (!attached) throw new Error(`there is no adapter "${name}" here; there are: ${[...this.#adapters.keys()].join(', ') || 'none'}`);
    return attached;
  }

  #attach(name: string, config: Tuned<T>, tokenizer: Tokenizer | undefined): void {
    if (this.#adapters.has(name)) throw new Error(`there is an adapter "${name}" already: delete it or choose another name`);
    const other = [...this.#adapters.values()].find((attached) => attached.config.peft_type !== config.peft_type);
    if (other)
      throw new Error(
        `a model cannot hold adapters of different methods: it has ${other.config.peft_type}, this one is ${config.peft_type}`,
      );
    const attached = attachAdapter(this.base_model.model, config, name, tokenizer);
    attached.enable(false);
    this.#adapters.set(name, attached);
  }

  async #fill(
    name: string,
    checkpoint: Awaited<ReturnType<typeof readAdapter>>['checkpoint'],
    source: Source,
    options: LoadAdapterOptions,
    undo: () => void,
  ): Promise<LoadReport> {
    const attached = this.#get(name);
    try {
      const { unloadable } = attached.handle;
      if (unloadable && !options.continues)
        throw new Error(`the adapter in ${source.describe} cannot be loaded into "${name}": ${unloadable}`);
      const report = await loadAdapterFiles(attached.state(), checkpoint, source.describe, options.strict ?? false);
      // As in Python an adapter's own weights are float32 from now on, whatever the file held; trained modules keep their type.
      for (const parameter of Object.values<Parameter>(attached.handle.state())) parameter.storedAs = undefined;
      if (!options.isTrainable) this.eval();
      return report;
    } catch (error) {
      undo();
      throw error;
    }
  }

  /** Only what is active, and not loaded for use alone, is trained. */
  #refresh(): void {
    for (const [, attached] of this.#adapters) for (const parameter of Object.values(attached.parameters())) parameter.trainable = false;
    for (const name of this.#active) {
      const attached = this.#get(name);
      if (!attached.config.inference_mode) for (const parameter of Object.values(attached.parameters())) parameter.trainable = true;
    }
  }

  #checkSavedModules(names: readonly string[]): void {
    const taken = new Map<string, string>();
    for (const name of names)
      for (const key of Object.keys(this.#get(name).saved.wrappers)) {
        const first = taken.get(key);
        if (first !== undefined)
          throw new Error(`adapters "${first}" and "${name}" both train "${key}" as a whole, so they cannot be active together`);
        taken.set(key, name);
      }
  }

  #forwardMixed(batch: unknown, names: readonly string[]): OutputOf<Base> {
    const base = this.base_model.model as unknown as { forward(input: unknown): OutputOf<Base> };
    if (this.training) throw new Error('adapter_names is for inference: call eval() first');
    if (this.#merged.length > 0)
      throw new Error(`adapters ${this.#merged.join(', ')} are merged: call unmergeAdapter() before using adapter_names`);
    const count = batchSize(batch, this.base_model.model);
    if (count !== undefined && count !== names.length)
      throw new Error(`adapter_names must have one name a row: ${names.length} names for ${count} rows`);
    const unknown = [...new Set(names)].filter((name) => name !== BASE && !this.#adapters.has(name));
    if (unknown.length > 0)
      throw new Error(
        `adapter_names has unknown adapters: ${unknown.join(', ')}; there are: ${[...this.#adapters.keys()].join(', ')}, ${BASE}`,
      );
    for (const [name, { handle, config }] of this.#adapters)
      if (!handle.route) throw new Error(`adapter_names cannot be used with ${config.peft_type} adapters ("${name}")`);
    const wrappers = [...namedModules(base)].map(([, module]) => module).filter((module) => isA(module, ModulesToSaveWrapper));
    try {
      for (const [, { handle }] of this.#adapters) handle.route?.(names);
      for (const wrapper of wrappers) wrapper.rows = names;
      return base.forward(batch);
    } finally {
      for (const [, { handle }] of this.#adapters) handle.route?.(undefined);
      for (const wrapper of wrappers) wrapper.rows = undefined;
    }
  }

  #release(merged: boolean): Base {
    const base = this.base_model.model;
    const enabled = parameters(base);
    for (const [, attached] of this.#adapters) attached.enable(false);
    const before = [...enabled, ...parameters(base)];
    for (const [name, attached] of this.#adapters) {
      detachAdapter(attached, { keepMerged: merged, keepTrained: this.#active.includes(name) });
    }
    // Modules that trained copies took the place of have no other owner.
    const left = new Set(parameters(base));
    for (const parameter of before) if (!left.has(parameter)) parameter.dispose();
    this.#adapters.clear();
    this.#active = [];
    this.#merged = [];
    untieIfNeeded(base);
    return base;
  }

  #statusInput() {
    return {
      base: this.base_model.model,
      adapters: this.#adapters as ReadonlyMap<string, AttachedAdapter<AnyTuner>>,
      enabled: !this.#disabled,
      active: this.#active,
      merged: this.#merged,
    };
  }
}

/** Puts a new adapter on a model, which is frozen. @example `getPeftModel(model, loraConfig({ r: 8 }))` */
export function getPeftModel<Base extends BaseModel, T extends AnyTuner>(
  base: Base & BaseOf<T>,
  config: Tuned<T>,
  { adapterName = 'default', tokenizer }: AddAdapterOptions & { adapterName?: string } = {},
): PeftModel<Base, T> {
  const name = base.name_or_path || null;
  if (config.base_model_name_or_path && name !== config.base_model_name_or_path)
    warn(`the config's base_model_name_or_path changes from "${config.base_model_name_or_path}" to ${JSON.stringify(name)}`);
  const named = { ...config, base_model_name_or_path: name } as Tuned<T>;
  return new PeftModel(base, named, adapterName, tokenizer ? { tokenizer } : {});
}

/** How many samples a batch has, by what its model reads. */
const batchSize = (batch: unknown, { main_input_name: main = 'input_ids' }: BaseModel): number | undefined => {
  type Rows = { length?: number; shape?: number[] } | undefined;
  const given = (batch ?? {}) as Record<string, Rows>;
  const rows = given[main] ?? given.inputs_embeds ?? given.decoder_input_ids ?? given.decoder_inputs_embeds;
  return rows?.shape?.[0] ?? rows?.length;
};

/** Python PEFT drops these for question answering before the base model sees them; files trained there expect it. */
function withoutPositions(batch: Record<string, unknown>): Record<string, unknown> {
  const { token_type_ids, position_ids, ...rest } = batch;
  if (token_type_ids !== undefined || position_ids !== undefined)
    warn('as in Python PEFT, token_type_ids and position_ids are not passed on for question answering');
  return rest;
}

/** After a merge that changed one of two tied weights they are tied no more, and the config must say so. */
function untieIfNeeded(base: BaseModel): void {
  const { config } = base;
  const input = base.inputEmbeddings?.() as { weight?: Parameter } | undefined;
  const output = base.outputEmbeddings?.() as { weight?: Parameter } | undefined;
  if (config?.tie_word_embeddings && input?.weight && output?.weight && input.weight !== output.weight) {
    config.tie_word_embeddings = false;
    warn('the embedding and the head were tied and have different weights now; tie_word_embeddings is set to false');
  }
}
