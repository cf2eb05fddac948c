import { readJson } from './pythonJson';
import { type Checkpoint, readSafetensors } from './safetensors';
import type { Source } from './source';
import { readTorch } from './torchFile';

export type { Checkpoint, StoredTensor } from './safetensors';

/** File names of weights without their endings, as Hugging Face's libraries call them. */
type Stem = 'model' | 'adapter_model';

/**
 * Opens the weights in a folder or repository, in whichever of the usual files they are; large models' in several.
 * Errors: what was looked for, where there is none.
 */
export async function openCheckpoint(source: Source, stem: Stem): Promise<Checkpoint> {
  const torch = stem === 'model' ? 'pytorch_model.bin' : 'adapter_model.bin';
  const wholes = [`${stem}.safetensors`, torch];
  for (const path of [`${stem}.safetensors`, `${stem}.safetensors.index.json`, torch, `${torch}.index.json`]) {
    if (!(await source.has(path))) continue;
    if (path.endsWith('.index.json')) return openShards(source, path);
    return openFile(source, path);
  }
  throw new Error(
    `there are no weights in ${source.describe}: none of ${wholes.flatMap((name) => [name, `${name}.index.json`]).join(', ')}`,
  );
}

const openFile = (source: Source, path: string): Promise<Checkpoint> =>
  path.endsWith('.safetensors') ? readSafetensors(source, path) : readTorch(source, path);

async function openShards(source: Source, path: string): Promise<Checkpoint> {
  const map = ((await readJson(source, path)) as { weight_map?: unknown }).weight_map;
  if (typeof map !== 'object' || map === null || !Object.values(map).every((file) => typeof file === 'string'))
    throw new Error(`${path} in ${source.describe} has no weight_map from names to files`);
  const files = [...new Set(Object.values(map as Record<string, string>))];
  const shards = new Map(await Promise.all(files.map(async (file) => [file, await openFile(source, file)] as const)));
  const all: Checkpoint = new Map();
  const missing: string[] = [];
  for (const [name, file] of Object.entries(map as Record<string, string>)) {
    const tensor = shards.get(file)?.get(name);
    if (tensor) all.set(name, tensor);
    else missing.push(`${name} (${file})`);
  }
  if (missing.length > 0) throw new Error(`${path} in ${source.describe} names tensors that are not in its files: ${missing.join(', ')}`);
  return all;
}
