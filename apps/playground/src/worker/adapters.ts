import { loadTuner } from '@peft/auto';
import { getPeftModel, makeConfig, memory, memorySink, PeftModel, readJson } from '@peft/core';
import type { AdapterInfo, Files, TrainSettings } from '../api';
import type { Adapted, Loaded } from './studio';
import { toBlobs } from './toBlobs';
import { loadState } from './trainingState';

/** The one adapter's name; adapters of this name are saved into the folder itself. */
const NAME = 'default';

/** Puts a new adapter on a model. Errors: whatever is wrong with its config. */
export async function attachNew(
  { model, tokenizer }: Loaded,
  { peft_type, ...given }: Record<string, unknown>,
  { steps }: Pick<TrainSettings, 'steps'>,
): Promise<Adapted> {
  const tuner = await loadTuner(peft_type);
  // AdaLoRA plans its cuts for the whole training.
  const planned = Object.hasOwn(tuner.fields, 'total_step') ? { total_step: steps } : {};
  const config = makeConfig(tuner, { task_type: 'CAUSAL_LM', ...planned, ...given });
  return getPeftModel(model, config, { tokenizer }) as Adapted;
}

/** Puts a saved adapter on a model; with the state of its training, or without one where `null` is given, to be trained on. */
export async function attachSaved({ model, tokenizer }: Loaded, files: Files, state?: Files | null): Promise<Adapted> {
  const source = { ...memory(files), describe: 'the files given' };
  const { peft_type } = (await readJson(source, 'adapter_config.json')) as { peft_type?: unknown };
  const peft = await PeftModel.fromPretrained(model, source, {
    tuners: [await loadTuner(peft_type)],
    tokenizer,
    isTrainable: state !== undefined,
    continues: Boolean(state),
  });
  if (state) await loadState(peft, state);
  return peft as Adapted;
}

/** Takes the adapter off: the model is as it was. */
export function detach(peft: Adapted): void {
  // Deleted first: `unload` alone leaves trained copies of whole modules in their places.
  for (const name of Object.keys(peft.peftConfig)) peft.deleteAdapter(name);
  peft.unload();
}

export function infoOf(peft: Adapted): AdapterInfo {
  const handle = peft.adapter(NAME);
  const parameters = Object.values(peft.adapterState(NAME)).reduce((sum, { size }) => sum + size, 0);
  return { method: peft.peftConfig[NAME]?.peft_type ?? '', parameters, mergeable: handle.merge !== undefined };
}

/** PEFT's two files. */
export async function filesOf(peft: Adapted): Promise<Files> {
  const { files, ...sink } = memorySink();
  await peft.savePretrained(sink);
  const two = ['adapter_config.json', 'adapter_model.safetensors'].map((name) => [name, files[name] as Uint8Array] as const);
  return toBlobs(Object.fromEntries(two));
}
