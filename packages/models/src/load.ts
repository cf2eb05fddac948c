import {
  type Checkpoint,
  type HubOptions,
  isA,
  type Location,
  type Module,
  namedModules,
  namedParameters,
  openCheckpoint,
  openSource,
  type Parameter,
  readJson,
  type Source,
  type StoredTensor,
  valuesOf,
  warn,
} from '@peft/core';
import { normalizeConfig } from './config';
import { PretrainedModel } from './shared/PretrainedModel';

export interface LoadModelOptions extends HubOptions {
  /** How many classes the head has. @default what the config says */
  num_labels?: number;
  id2label?: Readonly<Record<string, string>>;
  label2id?: Readonly<Record<string, number>>;
  problem_type?: 'regression' | 'single_label_classification' | 'multi_label_classification';
  /** Whether a tensor of another shape in the file is left out, and its parameter initialised, instead of being an error. @default false */
  ignore_mismatched_sizes?: boolean;
}

/** A model's class. */
export type Architecture<Model extends PretrainedModel<never> = PretrainedModel<never>> = new (config: never) => Model;

/** Reads `config.json`, makes the model and streams its weights in. */
export async function loadModel<Model extends PretrainedModel<never>>(
  where: Location,
  architectureFor: (modelType: string) => Promise<Architecture<Model>>,
  { ignore_mismatched_sizes = false, num_labels, id2label, label2id, problem_type, ...options }: LoadModelOptions,
): Promise<Model> {
  refuse(options);
  const source = await openSource(where, options);
  const raw = (await readJson(source, 'config.json')) as Record<string, unknown>;
  const given = Object.entries({ num_labels, id2label, label2id, problem_type }).filter(([, value]) => value !== undefined);
  const config = normalizeConfig(raw, Object.fromEntries(given));
  const model = new (await architectureFor(config.model_type))(config as never);
  await loadWeights(model, await openCheckpoint(source, 'model'), source.describe, ignore_mismatched_sizes);
  if (typeof where === 'string') model.name_or_path = where;
  model.generation_config = await readOptional(source, 'generation_config.json');
  return model;
}

/** What Python's loader takes and this one does not is refused by name, not passed over. */
function refuse(options: object): void {
  const asked = ['load_in_8bit', 'load_in_4bit', 'quantization_config', 'device_map'].filter((name) => name in options);
  if (asked.length > 0)
    throw new Error(`${asked.join(', ')}: not there yet; models compute in float32, on the engine that useEngine chose`);
}

async function readOptional(source: Source, path: string): Promise<Record<string, unknown>> {
  return (await source.has(path)) ? ((await readJson(source, path)) as Record<string, unknown>) : {};
}

// Buffers that older versions of transformers saved; they follow from the config.
const BUFFERS =
  /(^|\.)(position_ids|token_type_ids|rotary_emb\.inv_freq|att(n|ention)\.(masked_)?bias|EncDecAttention\.relative_attention_bias\.weight)$/;
// Zero where a checkpoint does not hold it.
const OPTIONAL = /(^|\.)final_logits_bias$/;

/**
 * Gives a model's parameters the values of a checkpoint: of its own class, or of another one with the same body.
 * A head that is not in the checkpoint is initialised, and reported in a warning.
 * Errors: all missing tensors of the body and all wrong shapes at once; the model is then not to be used.
 */
async function loadWeights(model: PretrainedModel<never>, checkpoint: Checkpoint, where: string, ignoreMismatched: boolean): Promise<void> {
  const names = new Map([...namedParameters(model)]);
  const body = bodyOf(model);
  const files = new Map<string, string>(); // parameter → key in the file
  const unused: string[] = [];
  for (const key of checkpoint.keys()) {
    const name = placesOf(key, body).find((candidate) => names.has(candidate));
    if (name === undefined) unused.push(key);
    // A key that is the parameter's own name goes before one that only fits with another prefix.
    else if (!files.has(name) || key === name) files.set(name, key);
  }
  const filled = new Set<Parameter>();
  const wrong: string[] = [];
  const misfits: string[] = [];
  const todo: [Parameter, string][] = [];
  for (const [name, parameter] of names) {
    const key = files.get(name);
    if (key === undefined || filled.has(parameter)) continue;
    const { shape } = checkpoint.get(key) as { shape: readonly number[] };
    if (shape.length === parameter.shape.length && shape.every((n, i) => n === parameter.shape[i])) {
      filled.add(parameter);
      todo.push([parameter, key]);
    } else (ignoreMismatched ? misfits : wrong).push(`${key} has shape [${shape}], the model needs [${parameter.shape}]`);
  }
  const missing = [...names].filter(([, parameter]) => !filled.has(parameter)).map(([name]) => name);
  const isHead = (name: string) => (body !== '' && !name.startsWith(`${body}.`)) || /(^|\.)pooler\./.test(name);
  const lost = missing.filter((name) => !isHead(name) && !files.has(name));
  if (!ignoreMismatched && lost.length > 0) wrong.push(`missing: ${lost.join(', ')}`);
  if (wrong.length > 0)
    throw new Error(
      `the weights in ${where} do not fit this model: ${wrong.join('; ')}. ignore_mismatched_sizes: true initialises what does not fit`,
    );
  for (const [parameter, key] of todo) {
    const values = await valuesOf(checkpoint.get(key) as StoredTensor);
    parameter.assign(values);
    values.dispose();
  }
  for (const name of missing) (names.get(name) as Parameter).initialize();
  if (misfits.length > 0) warn(`weights in ${where} do not fit: ${misfits.join('; ')}. Initialised anew, to be trained before use`);
  const reported = missing.filter((name) => !OPTIONAL.test(name) && !files.has(name));
  if (reported.length > 0)
    warn(`the weights in ${where} hold nothing for ${reported.join(', ')}: initialised anew, to be trained before use`);
  const strange = unused.filter((key) => !BUFFERS.test(key));
  if (strange.length > 0) warn(`${strange.length} tensors in ${where} have no place in this model and are left out: ${shorten(strange)}`);
}

const shorten = (names: readonly string[]) => names.slice(0, 8).join(', ') + (names.length > 8 ? ', …' : '');

/** The path of the body in a model with a head; `''` for a body alone. */
function bodyOf(model: Module): string {
  for (const [path, module] of namedModules(model)) if (path !== '' && isA(module, PretrainedModel)) return path;
  return '';
}

/** The names under which a tensor of a file may stand in the model, the likeliest first. */
function placesOf(key: string, body: string): string[] {
  // Files converted from TensorFlow call a norm's parameters so.
  const name = key.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
  const inner = name.slice(name.indexOf('.') + 1);
  // Halves of an encoder–decoder model share one embedding; a file may hold it under any of its names.
  const shared = /(^|\.)(encoder|decoder)\.embed_tokens\.weight$/.test(name)
    ? [body === '' ? 'shared.weight' : `${body}.shared.weight`]
    : [];
  return [...(body === '' ? [name, inner] : [name, `${body}.${name}`, `${body}.${inner}`]), ...shared];
}
