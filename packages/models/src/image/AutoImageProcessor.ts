import { type HubOptions, type Location, openSource, readJson } from '@peft/core';
import { processorConfig } from '../shared/processorConfig';
import { type ImageProcessor, imageProcessor } from './imageProcessor';

/** Loads the image processor of a model. */
export const AutoImageProcessor = {
  /** From a folder, a hub repository or files in memory. Errors: no `preprocessor_config.json`; a processor that is not there. */
  async fromPretrained(where: Location, options: HubOptions = {}): Promise<ImageProcessor> {
    const source = await openSource(where, options);
    const raw = await processorConfig(source, 'image_processor');
    const named = raw.image_processor_type ?? raw.feature_extractor_type;
    const model =
      named === undefined && (await source.has('config.json'))
        ? ((await readJson(source, 'config.json')) as Record<string, unknown>).model_type
        : undefined;
    return imageProcessor(raw, model);
  },
};
