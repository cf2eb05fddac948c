/** What the page and its worker say to each other. All values can be sent between them; files go as blobs, which are not copied. */
export interface Api {
  /** Chooses what computes; a model that is loaded has to be loaded again. */
  start(engine: EngineChoice): EngineInfo;
  loadModel(choice: ModelChoice): ModelInfo;
  /** Trains a new adapter, or goes on with one; ends when `stop` is called or all steps are done. */
  train(request: TrainRequest): TrainResult;
  /** Looks at an adapter's files and whether they fit the model. */
  inspect(files: Files): AdapterInfo;
  /** Continues a prompt, with an adapter or without one. */
  write(request: WriteRequest): string;
  /** The mean loss of a token of the held-out text, with an adapter or without one. */
  measure(request: MeasureRequest): number;
  /** The model with an adapter in its weights, as files that any program reads. */
  merge(adapter: AdapterRef): Files;
  /** The scores of every next token [T · V] for one row of ids. */
  logits(request: { ids: number[]; adapter: AdapterRef | null }): Float32Array;
}

export type EngineChoice = 'best' | 'webgpu' | 'webgl' | 'wasm';

export interface EngineInfo {
  name: string;
  /** "wasm, 1 thread". */
  description: string;
  /** Why better ones do not compute. */
  notUsed: readonly string[];
}

export type Files = Record<string, Blob>;

export type ModelChoice =
  | { kind: 'built-in' }
  | { kind: 'files'; name: string; files: Files }
  | { kind: 'hub'; repo: string; endpoint: string; token: string };

export interface ModelInfo {
  name: string;
  /** `model_type` of its config. */
  type: string;
  parameters: number;
  /** Tokens it reads at once, where it says so. */
  context: number | null;
}

export type TextChoice = { kind: 'built-in' } | { kind: 'file'; file: File } | { kind: 'text'; text: string };

/** An adapter as the worker needs it. */
export interface AdapterRef {
  /** Another one whenever its weights change. */
  id: string;
  files: Files;
}

export interface AdapterInfo {
  /** `peft_type` of its config. */
  method: string;
  /** How many numbers it holds. */
  parameters: number;
  mergeable: boolean;
}

export interface TrainSettings {
  steps: number;
  learning_rate: number;
  batch_size: number;
  /** Tokens a block. */
  block: number;
  seed: number;
}

export interface TrainRequest {
  text: TextChoice;
  settings: TrainSettings;
  /** A new adapter's config, or the adapter to go on with and, where its training was stopped, where it stood. */
  start: { config: Record<string, unknown> } | { adapter: AdapterRef; state: Files | null };
}

export interface TrainResult {
  files: Files;
  info: AdapterInfo;
  /** What going on exactly needs. */
  state: Files;
  step: number;
  steps: number;
}

export interface WriteRequest {
  prompt: string;
  tokens: number;
  /** 0: always the likeliest token. */
  temperature: number;
  adapter: AdapterRef | null;
}

export interface MeasureRequest {
  text: TextChoice;
  block: number;
  adapter: AdapterRef | null;
}

/** What the worker tells while it works. */
export type Told =
  | { kind: 'step'; step: number; steps: number; loss: number; tokens: number; seconds: number }
  | { kind: 'phase'; text: string }
  | { kind: 'download'; file: string; loaded: number; total: number }
  | { kind: 'text'; text: string }
  | { kind: 'warning'; text: string };

export type Call = { [Name in keyof Api]: { id: number; name: Name; argument: Parameters<Api[Name]>[0] } }[keyof Api];
export type ToWorker = Call | { stop: true };
export type FromWorker = { id: number; result: unknown } | { id: number; error: { message: string; name: string } } | { told: Told };
