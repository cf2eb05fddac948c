import { parameters } from '../module/Module';
import type { Parameter } from '../module/Parameter';
import type { BaseModel } from '../tuner/BaseModel';
import { BASE } from '../tuner/mixedBatch';
import { type Tuned, tunerOf } from '../tuner/PeftConfig';
import type { Tokenizer } from '../tuner/Tokenizer';
import type { Adapter, AnyTuner, HandleOf } from '../tuner/Tuner';
import { type SavedModules, saveModules } from './ModulesToSave';

/** An adapter on a model: the method's part and the modules that are trained as a whole. */
export interface AttachedAdapter<T extends AnyTuner> {
  readonly config: Tuned<T>;
  readonly handle: HandleOf<T> & Adapter;
  readonly saved: SavedModules;
  parameters(): Record<string, Parameter>;
  state(): Record<string, Parameter>;
  /** What is written to the file; parameters that are not in `state` are new, and the caller frees them. */
  stateToSave(): Record<string, Parameter>;
  enable(on: boolean): void;
}

/** Heads that a task always trains and saves, whether or not the model has them. */
const HEADS: Readonly<Record<string, readonly string[]>> = {
  SEQ_CLS: ['classifier', 'score'],
  TOKEN_CLS: ['classifier', 'score'],
  QUESTION_ANS: ['qa_outputs'],
};

/** Puts an adapter on a model. A failure leaves the model as it was. */
export function attachAdapter<T extends AnyTuner>(
  base: BaseModel,
  given: Tuned<T>,
  name: string,
  tokenizer?: Tokenizer,
): AttachedAdapter<T> {
  checkName(name);
  const tuner = given[tunerOf];
  let config: Tuned<T> = { ...given };
  if (Object.hasOwn(tuner.fields, 'modules_to_save')) {
    const heads = HEADS[config.task_type ?? ''] ?? [];
    // Python repeats entries each time a file is saved and loaded again; once is enough.
    const all = [...new Set([...(config.modules_to_save ?? []), ...heads])];
    config.modules_to_save = all.length > 0 ? all : (config.modules_to_save ?? null);
  }
  config = { ...(tuner.resolve?.(config, base) ?? config), [tunerOf]: tuner } as Tuned<T>;
  const handle = tuner.attach(base, config, name, { tokenizer, inference: config.inference_mode }) as HandleOf<T> & Adapter;
  let saved: SavedModules;
  try {
    saved = saveModules(base, name, config.modules_to_save ?? []);
  } catch (error) {
    handle.detach();
    throw error;
  }
  const attached: AttachedAdapter<T> = {
    config,
    handle,
    saved,
    parameters: () => ({ ...handle.parameters(), ...prefixed(handle.keyPrefix, saved.parameters()) }),
    state: () => ({ ...handle.state(), ...prefixed(handle.keyPrefix, saved.state()) }),
    stateToSave: () => ({ ...(handle.stateToSave?.() ?? handle.state()), ...prefixed(handle.keyPrefix, saved.state()) }),
    enable: (on) => {
      handle.enable(on);
      saved.enable(on);
    },
  };
  // A base without values is counted and matched only; its adapters then are shapes, too.
  if (parameters(base).some((parameter) => parameter.ready))
    for (const parameter of Object.values(attached.parameters())) parameter.initialize();
  return attached;
}

export function detachAdapter(attached: AttachedAdapter<AnyTuner>, { keepMerged = false, keepTrained = false } = {}): void {
  attached.handle.detach({ keepMerged });
  attached.saved.detach({ keepTrained });
}

/** Names become folders and keys of objects. */
function checkName(name: string): void {
  if (!/^[A-Za-z0-9_][\w-]*$/.test(name) || name === BASE || name in Object.prototype)
    throw new Error(`"${name}" cannot be an adapter's name: use letters, digits, "_" and "-"`);
}

const prefixed = (prefix: string, entries: Record<string, Parameter>) =>
  Object.fromEntries(Object.entries(entries).map(([key, parameter]) => [prefix + key, parameter]));
