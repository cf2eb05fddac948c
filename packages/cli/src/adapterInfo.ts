import { loadTuner } from '@peft/auto';
import { type Checkpoint, compareWithCheckpoint, getPeftModel, makeConfig, openCheckpoint, readJson, type Source } from '@peft/core';
import type { Output } from './Output';
import { openLocation } from './openLocation';
import { headOptions } from './openModel';
import { autoOf } from './tasks';

type Config = Readonly<Record<string, unknown>>;

/** What an adapter is and whether it fits its base model, by its config, the base's config and the header of its file. */
export async function adapterInfo(source: Source, given: string | undefined, output: Output) {
  const config = (await readJson(source, 'adapter_config.json')) as Config;
  const { peft_type, task_type, base_model_name_or_path, revision } = config;
  const checkpoint = await openCheckpoint(source, 'adapter_model');
  const base = given ?? (typeof base_model_name_or_path === 'string' ? base_model_name_or_path : undefined);
  return {
    adapter: source.describe,
    method: String(peft_type),
    task: (task_type ?? null) as string | null,
    base: base ?? null,
    revision: given === undefined ? (revision ?? null) : null,
    settings: await settingsOf(config),
    ...contentsOf(checkpoint),
    ...(await fitOf(source, checkpoint, config, base, given === undefined ? revision : undefined, output)),
  };
}

/** What a file holds, by its header. */
function contentsOf(checkpoint: Checkpoint) {
  const tensors = [...checkpoint.values()];
  const parameters = tensors.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0);
  return { tensors: tensors.length, parameters, types: [...new Set(tensors.map(({ dtype }) => dtype))].join(', ') };
}

const OWN_LINES = ['peft_type', 'task_type', 'base_model_name_or_path', 'revision', 'inference_mode', 'auto_mapping', 'peft_version'];

/** The settings that are not the method's defaults; all, where the method is not installed. */
async function settingsOf(config: Config): Promise<Config> {
  const tuner = await loadTuner(config.peft_type).catch(() => undefined);
  const fields = (tuner?.fields ?? {}) as Record<string, { default: unknown } | undefined>;
  const isDefault = (name: string, value: unknown) => JSON.stringify(fields[name]?.default) === JSON.stringify(value);
  return Object.fromEntries(Object.entries(config).filter(([name, value]) => !OWN_LINES.includes(name) && !isDefault(name, value)));
}

/** Whether an adapter fits a base model; `null` where that cannot be told, with the reason. */
async function fitOf(source: Source, checkpoint: Checkpoint, config: Config, base: string | undefined, revision: unknown, output: Output) {
  if (base === undefined) return { fits: null, reason: 'it does not say its base model: give one as --base' };
  let from: Source;
  let baseConfig: Config;
  try {
    from = await openLocation(base, output, revision);
    baseConfig = (await readJson(from, 'config.json')) as Config;
  } catch (error) {
    return { fits: null, reason: (error as Error).message };
  }
  try {
    const head = await headOptions(source, from, config);
    const model = getPeftModel(
      await autoOf(config.task_type, baseConfig).fromConfig(baseConfig, { ...head }),
      // In no training, so that nothing is asked for that the file already holds.
      { ...makeConfig(await loadTuner(config.peft_type), config, { fromFile: true }), inference_mode: true, base_model_name_or_path: null },
    );
    const { problems, unexpected } = compareWithCheckpoint(model.adapterState(), checkpoint);
    const layers = Object.keys((model.adapter() as { layers?: object }).layers ?? {});
    return { fits: problems.length === 0, problems, unexpected, layers: layers.length };
  } catch (error) {
    return { fits: false, problems: [(error as Error).message] };
  }
}
