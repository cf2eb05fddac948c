import { readdir } from 'node:fs/promises';
import { type Checkpoint, folder, readJson, readSafetensors, type Source } from '@peft/core';

/** Values with their shape, as a file holds them. */
export interface Values {
  shape: readonly number[];
  data: Float32Array | Int32Array;
}

/** What Python computed for one case; every part may be missing. */
export interface Expected {
  trainable_parameters?: number;
  all_parameters?: number;
  loss?: number;
  greedy?: number[][];
  adamw?: { lr: number; weight_decay: number; betas: [number, number]; eps: number; losses: number[] };
  /** Of a training in which the adapter changes: the optimizer's settings, and by step the loss, what the method's schedule gives, and how many values of a parameter are not zero. */
  lr?: number;
  weight_decay?: number;
  losses?: number[];
  budgets?: (number | null)[];
  nonzero_E?: Record<string, number>[];
  weights?: number[];
  pairs?: Record<string, string[]>;
  density?: number;
}

/** A case on the disk: a folder that lies in the folder of its architecture and task. */
export interface ReferenceCase {
  /** `<folder>/<case>` */
  name: string;
  /** The path of the case. */
  path: string;
  /** The path of the base model's files. */
  base: string;
  /** What the model's forward pass takes. */
  inputs: object;
  expected: Expected;
  tensors: Checkpoint;
}

/** What a case of a processor holds. */
export const PROCESSOR = 'preprocessor_config.json';

/** Names of all cases below a folder, in order. Errors: where there is none. */
export async function listCases(root: string): Promise<string[]> {
  const folders = async (path: string) =>
    (await readdir(path, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  const names: string[] = [];
  for (const architecture of await folders(root)) {
    const hasBase = await folder(`${root}/${architecture}`).has('base/config.json');
    for (const name of await folders(`${root}/${architecture}`))
      if (hasBase || (await folder(`${root}/${architecture}/${name}`).has(PROCESSOR))) names.push(`${architecture}/${name}`);
  }
  if (names.length === 0)
    throw new Error(
      `there are no reference cases in ${root}: a case lies in <architecture>-<task>/<case>, beside a folder base with config.json, or holds ${PROCESSOR}`,
    );
  return names;
}

export async function readCase(root: string, name: string): Promise<ReferenceCase> {
  const path = `${root}/${name}`;
  const architecture = path.slice(0, path.lastIndexOf('/'));
  const source = folder(path);
  return {
    name,
    path,
    base: `${architecture}/base`,
    inputs: await readInputs(folder(architecture)),
    expected: (await source.has('expected.json')) ? ((await readJson(source, 'expected.json')) as Expected) : {},
    tensors: (await source.has('expected.safetensors')) ? await readSafetensors(source, 'expected.safetensors') : new Map(),
  };
}

/** The batch: nested arrays. */
async function readInputs(source: Source): Promise<object> {
  const inputs: Record<string, unknown> = {};
  if (!(await source.has('inputs.safetensors'))) return inputs;
  for (const [name, tensor] of await readSafetensors(source, 'inputs.safetensors'))
    inputs[name] = nested(await tensor.data(), tensor.shape);
  return inputs;
}

function nested(data: Float32Array | Int32Array, [count = 0, ...rest]: readonly number[]): unknown[] {
  if (rest.length === 0) return Array.from(data);
  const size = data.length / count;
  return Array.from({ length: count }, (_, i) => nested(data.subarray(i * size, (i + 1) * size), rest));
}

/** The expected tensors whose names begin with a prefix, by the rest of the name. */
export async function tensorsBelow(tensors: Checkpoint, prefix: string): Promise<Record<string, Values>> {
  const found: Record<string, Values> = {};
  for (const [name, tensor] of tensors)
    if (name.startsWith(prefix)) found[name.slice(prefix.length)] = { shape: tensor.shape, data: await tensor.data() };
  return found;
}
