import { openCheckpoint } from '../files/checkpoint';
import { writePythonJson } from '../files/pythonJson';
import { type TensorToWrite, writeSafetensors } from '../files/safetensors';
import { openSink, type SinkLocation } from '../files/sink';
import { folder, type Location, openSource, type Source } from '../files/source';
import { Parameter } from '../module/Parameter';
import type { BaseModel } from '../tuner/BaseModel';
import { isFloatField, type PeftConfig, tunerOf } from '../tuner/PeftConfig';
import type { AnyTuner } from '../tuner/Tuner';
import type { AttachedAdapter } from './attach';
import { loadAdapterFiles } from './load';
import { modelCard } from './modelCard';

interface SaveAdaptersOptions {
  /** The model card to be kept up. @default that of the folder */
  card?: string | undefined;
  selectedAdapters?: readonly string[];
  initialAdapter?: Location;
}

/** Writes adapters as Python PEFT does: `default` to the folder itself, others to folders of their names. */
export async function saveAdapters(
  base: BaseModel,
  adapters: ReadonlyMap<string, AttachedAdapter<AnyTuner>>,
  where: SinkLocation,
  { selectedAdapters = [...adapters.keys()], initialAdapter, card }: SaveAdaptersOptions,
): Promise<void> {
  const unknown = selectedAdapters.filter((name) => !adapters.has(name));
  if (unknown.length > 0)
    throw new Error(`there are no adapters ${unknown.join(', ')} to save; there are: ${[...adapters.keys()].join(', ')}`);
  const sink = await openSink(where);
  const described = adapters.get(selectedAdapters[0] ?? '');
  const existing = card ?? (typeof where === 'string' ? await readCard(folder(where)) : undefined);
  if (described) await sink.write(CARD, modelCard(described.config, base, existing));
  for (const name of selectedAdapters) {
    const attached = adapters.get(name) as AttachedAdapter<AnyTuner>;
    const prefix = name === 'default' ? '' : `${name}/`;
    const saved =
      initialAdapter === undefined ? { config: attached.config, state: attached.stateToSave() } : await convert(attached, initialAdapter);
    try {
      // The weights first: a folder with a config has them.
      await sink.write(`${prefix}adapter_model.safetensors`, await encode(saved.state));
      await sink.write(`${prefix}adapter_config.json`, encodeConfig({ ...saved.config, [tunerOf]: attached.config[tunerOf] }, base));
    } finally {
      const own = new Set(Object.values(attached.state()));
      for (const parameter of Object.values(saved.state)) if (!own.has(parameter)) parameter.dispose();
    }
  }
}

const CARD = 'README.md';

/** The model card that a source has. */
export async function readCard(source: Source): Promise<string | undefined> {
  return (await source.has(CARD)) ? new TextDecoder().decode(await source.read(CARD)) : undefined;
}

/** The bytes of `adapter_config.json`. @param owner the config or the base model that knows Python's class names */
export function encodeConfig(
  config: PeftConfig & { readonly [tunerOf]: AnyTuner },
  { auto_mapping }: { auto_mapping?: object | null },
): Uint8Array {
  const file = { ...config, auto_mapping: config.task_type === null ? (auto_mapping ?? config.auto_mapping) : null, inference_mode: true };
  return new TextEncoder().encode(writePythonJson(file, (path) => isFloatField(config[tunerOf], path)));
}

/** Values as they are, in float32; those that nothing has changed since they were read, as they were. */
export async function encode(state: Record<string, Parameter>): Promise<Uint8Array> {
  const tensors: Record<string, TensorToWrite> = {};
  for (const [key, parameter] of Object.entries(state))
    tensors[key] = {
      dtype: parameter.storedAs ?? 'F32',
      shape: [...parameter.shape],
      data: (await parameter.value.data()) as Float32Array,
    };
  return writeSafetensors(tensors);
}

async function convert(
  attached: AttachedAdapter<AnyTuner>,
  where: Location,
): Promise<{ config: PeftConfig; state: Record<string, Parameter> }> {
  const tuner = attached.config[tunerOf];
  if (!tuner.subtractInitial) throw new Error(`${tuner.type} adapters cannot be saved relative to an initial adapter`);
  const source = await openSource(where);
  const initial = Object.fromEntries(
    Object.entries(attached.handle.state() as Record<string, Parameter>).map(([key, parameter]) => [key, new Parameter(parameter.shape)]),
  );
  try {
    await loadAdapterFiles(initial, await openCheckpoint(source, 'adapter_model'), source.describe, false);
    return tuner.subtractInitial(attached.config, attached.handle.state(), initial);
  } finally {
    for (const parameter of Object.values(initial)) parameter.dispose();
  }
}
