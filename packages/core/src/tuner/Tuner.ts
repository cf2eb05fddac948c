import type * as tf from '@tensorflow/tfjs-core';
import type { TensorToWrite } from '../files/safetensors';
import type { Module } from '../module/Module';
import type { Parameter } from '../module/Parameter';
import type { AdapterLayer } from './AdapterLayer';
import type { BaseModel } from './BaseModel';
import type { Fields } from './fields';
import type { PeftConfig } from './PeftConfig';
import type { Tokenizer } from './Tokenizer';

/** One adapter on one model: all that core knows of a method. */
export interface Adapter<Base extends Module = Module> {
  /** What stands before a base model's names in the adapter file. */
  readonly keyPrefix: 'base_model.model.' | 'base_model.';
  /** What training updates, by dotted name. */
  parameters(): Record<string, Parameter>;
  /** What `adapter_model.safetensors` holds, by its keys there; loading assigns to the same parameters. */
  state(): Record<string, Parameter>;
  enable(on: boolean): void;
  /** Takes the adapter off: the base is again what it was, or with `keepMerged` keeps what was merged into it. Frees its weights. */
  detach(options?: { keepMerged?: boolean }): void;
  /** Adds the adapter to the base's weights; absent where a method cannot. */
  merge?(options?: { safe?: boolean }): void;
  unmerge?(): void;
  /** Says for every row of the next batch which adapter computes it (`undefined`: back to normal); absent where a method cannot. */
  route?(rows: readonly string[] | undefined): void;
  /** Stands around the model's forward pass: prompts before, an extra loss after. */
  wrap?(forward: ForwardOf<Base>): ForwardOf<Base>;
  /** The layers it put into the model, by their key. */
  readonly layers?: Readonly<Record<string, AdapterLayer>>;
  /** What is written to the file where that is not `state` as it stands; these parameters are new, and the caller frees them. */
  stateToSave?(): Record<string, Parameter>;
  /** Why values of a file cannot be loaded into it, where they cannot: it trains something else than its file holds. `loadTrainingState` brings that. */
  readonly unloadable?: string | undefined;
  /** Takes the form that another config of the same method describes, before the values of its file are loaded. */
  refit?(config: PeftConfig): Refit;
  /**
   * For what changes along the training: called when an optimizer has made a step and its gradients are still there.
   * @param step counted from 1 @param gradients by the names of `parameters`
   */
  afterOptimizerStep?(step: number, gradients: Readonly<Record<string, tf.Tensor>>): unknown;
  /** What an exact continuation of the training needs beyond the adapter's file; copies. */
  trainingState?(): Record<string, TensorToWrite>;
  /** Puts back what `trainingState` gave. Errors: what does not fit, all at once. */
  loadTrainingState?(state: Readonly<Record<string, TensorToWrite>>): void;
}

/** A change of form that can still be taken back. */
export interface Refit {
  /** Frees what there was before. */
  keep(): void;
  /** Puts back what there was before. */
  undo(): void;
}

export type ForwardOf<Base> = Base extends { forward: infer F } ? F : (input: never) => unknown;

export interface AttachContext {
  /** For methods that read text, e.g. to start a prompt from words. */
  tokenizer?: Tokenizer | undefined;
  /** The adapter is loaded to be used, not trained. */
  inference: boolean;
}

/** An adapter with its name and config, as a combination of adapters sees it. */
export interface NamedAdapter<Config, Handle> {
  readonly name: string;
  readonly config: Config;
  readonly handle: Handle;
}

/** A method: a plain object. `Base` is what it needs of a model, `Handle` what its adapters offer beyond `Adapter`. */
export interface Tuner<
  Config extends PeftConfig = PeftConfig,
  Base extends Module = Module,
  Handle extends Adapter<Base> = Adapter<Base>,
  Combine extends object = object,
> {
  /** Its `peft_type`; any string, the set is open. */
  readonly type: Config['peft_type'];
  /** What the hub lists its adapters under, beside what all have. */
  readonly tags?: readonly string[];
  readonly fields: Fields<Config>;
  /** Refuses combinations of fields that make no sense, when a config is made. */
  validate?(config: Config): void;
  /** Fills in what follows from other fields, when a config is made. */
  complete?(config: Config): Config;
  /** Fills in what depends on the model: default targets, sizes. */
  resolve?(config: Config, base: Base): Config;
  /** Puts an adapter on a model. A failure leaves the model as it was. */
  attach(base: Base, config: Config, name: string, context: AttachContext): Handle;
  /** What a weighted combination of adapters is: its config, and how its weights are made. Checks everything first. */
  combine?(
    sources: readonly NamedAdapter<Config, Handle>[],
    weights: readonly number[],
    options: Combine,
  ): { config: Config; fill(handle: Handle, name: string): void };
  /** The adapter that gives the same outputs on the base as it was before the adapter's initialisation changed it. */
  subtractInitial?(
    config: Config,
    state: Record<string, Parameter>,
    initial: Record<string, Parameter>,
  ): { config: Config; state: Record<string, Parameter> };
}

// biome-ignore lint/suspicious/noExplicitAny: the four parameters stand in method positions both ways; only `any` admits every tuner
export type AnyTuner = Tuner<any, any, any, any>;

export type ConfigOf<T> = T extends Tuner<infer Config, infer _B, infer _H, infer _O> ? Config : never;
export type HandleOf<T> = T extends Tuner<infer _C, infer _B, infer Handle, infer _O> ? Handle : never;
export type BaseOf<T> = T extends Tuner<infer _C, infer Base, infer _H, infer _O> ? Base : never;
export type CombineOf<T> = T extends Tuner<infer _C, infer _B, infer _H, infer Options> ? Options : never;

export type { BaseModel };
