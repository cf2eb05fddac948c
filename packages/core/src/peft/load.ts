import * as tf from '@tensorflow/tfjs-core';
import { type Checkpoint, openCheckpoint } from '../files/checkpoint';
import type { HubOptions } from '../files/hub';
import { readJson } from '../files/pythonJson';
import { type Location, openSource, type Source } from '../files/source';
import type { Parameter } from '../module/Parameter';
import { makeConfig, type PeftConfig, type Tuned, tunerOf } from '../tuner/PeftConfig';
import { findTuner } from '../tuner/registry';
import type { AnyTuner } from '../tuner/Tuner';
import { warn } from '../warn';

/** Keys of a file that the model has no place for. */
export interface LoadReport {
  unexpected: string[];
}

interface ReadOptions extends HubOptions {
  tuners?: readonly AnyTuner[];
  isTrainable?: boolean;
  config?: PeftConfig & { readonly [tunerOf]?: AnyTuner };
}

/** Reads `adapter_config.json`: every field checked, defaults filled in, unknown fields kept with a warning. */
export async function readConfig<T extends AnyTuner>(source: Source, tuners: readonly AnyTuner[] = []): Promise<Tuned<T>> {
  const raw = await readJson(source, 'adapter_config.json');
  const tuner = findTuner((raw as { peft_type?: unknown }).peft_type, tuners) as T;
  return makeConfig(tuner, raw as object, { fromFile: true });
}

/** Opens an adapter: its config and its file's directory of tensors, none of them read yet. */
export async function readAdapter<T extends AnyTuner>(
  where: Location,
  { tuners = [], isTrainable = false, config: given, ...hub }: ReadOptions,
): Promise<{ config: Tuned<T>; checkpoint: Checkpoint; source: Source }> {
  const source = await openSource(where, hub);
  const config = given
    ? makeConfig((given[tunerOf] ?? findTuner(given.peft_type, tuners)) as T, given, { fromFile: true })
    : await readConfig<T>(source, tuners);
  const checkpoint = await openCheckpoint(source, 'adapter_model');
  return { config: { ...config, inference_mode: !isTrainable }, checkpoint, source };
}

/** What keeps a file's tensors from being loaded into parameters, and keys that no parameter is for; nothing but the header is read. */
export function compareWithCheckpoint(
  targets: Readonly<Record<string, Parameter>>,
  checkpoint: Checkpoint,
): { problems: string[]; unexpected: string[] } {
  const problems: string[] = [];
  for (const [key, parameter] of Object.entries(targets)) {
    const stored = checkpoint.get(key);
    if (!stored) problems.push(`missing: ${key} [${parameter.shape}]`);
    else if (stored.shape.length !== parameter.shape.length || stored.shape.some((n, i) => n !== parameter.shape[i]))
      problems.push(`wrong shape: ${key} is [${stored.shape}] in the file and [${parameter.shape}] in the model`);
    else if (!/^B?F\d+$/.test(stored.dtype) && parameter.role !== 'counter')
      problems.push(`wrong type: ${key} is ${stored.dtype}, a floating-point type is needed`);
  }
  return { problems, unexpected: [...checkpoint.keys()].filter((key) => !Object.hasOwn(targets, key)) };
}

/**
 * Gives parameters the values that a file holds under their keys. Everything is checked and read before anything changes.
 * Errors: all missing keys, wrong shapes and wrong types at once. Unexpected keys: one warning, or with `strict` an error.
 */
export async function loadAdapterFiles(
  targets: Record<string, Parameter>,
  checkpoint: Checkpoint,
  where: string,
  strict: boolean,
): Promise<LoadReport> {
  const { problems, unexpected } = compareWithCheckpoint(targets, checkpoint);
  if (strict && unexpected.length > 0) problems.push(...unexpected.map((key) => `unexpected: ${key}`));
  if (problems.length > 0) throw new Error(`the adapter in ${where} does not fit this model and config:\n  ${problems.join('\n  ')}`);
  if (unexpected.length > 0)
    warn(`${where} holds ${unexpected.length} keys that this model has no place for, and which are ignored: ${unexpected.join(', ')}`);

  const entries = Object.entries(targets).map(([key, parameter]) => ({
    parameter,
    stored: checkpoint.get(key) as NonNullable<ReturnType<Checkpoint['get']>>,
  }));
  const values = await Promise.all(entries.map(({ stored }) => stored.data()));
  entries.forEach(({ parameter, stored }, i) => {
    const tensor = tf.tensor(values[i] as Float32Array, parameter.shape as number[], 'float32');
    parameter.assign(tensor);
    tensor.dispose();
    parameter.storedAs = stored.dtype;
  });
  return { unexpected };
}
