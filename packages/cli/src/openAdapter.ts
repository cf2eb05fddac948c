import { readJson, type Source } from '@peft/core';
import type { Output } from './Output';
import { openLocation } from './openLocation';
import { UsageError } from './options';

/** An adapter's files and those of its base model. */
export interface AdapterFiles {
  readonly source: Source;
  readonly config: Readonly<Record<string, unknown>>;
  readonly base: Source;
  readonly baseName: string;
}

/** Opens an adapter; nothing but its config is read. Errors: no adapter there, or one that does not say its base. */
export async function openAdapter(where: string, given: string | undefined, output: Output): Promise<AdapterFiles> {
  const source = await openLocation(where, output);
  if (!(await source.has('adapter_config.json'))) throw new UsageError(`${where} is no adapter: it has no adapter_config.json`);
  const config = (await readJson(source, 'adapter_config.json')) as Record<string, unknown>;
  const { base_model_name_or_path: own, revision } = config;
  const baseName = given ?? (typeof own === 'string' && own !== '' ? own : undefined);
  if (baseName === undefined) throw new UsageError(`${where} does not say which base model it is for: give it as --base`);
  return { source, config, baseName, base: await openLocation(baseName, output, given === undefined ? revision : undefined) };
}
