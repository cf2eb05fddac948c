import { readJson, type Source } from '@peft/core';

/** What a model's files say of how its input is made. @param part what transformers 5 calls it, which writes all parts in one file */
export async function processorConfig(source: Source, part: 'feature_extractor' | 'image_processor'): Promise<Record<string, unknown>> {
  const read = async (path: string) => (await readJson(source, path)) as Record<string, unknown>;
  if (await source.has('preprocessor_config.json')) return read('preprocessor_config.json');
  const own = (await source.has('processor_config.json')) ? (await read('processor_config.json'))[part] : undefined;
  if (typeof own === 'object' && own !== null) return own as Record<string, unknown>;
  throw new Error(`${source.describe} has no preprocessor_config.json, which says how a model's input is made`);
}
