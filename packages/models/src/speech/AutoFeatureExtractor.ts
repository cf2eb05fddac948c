import { type HubOptions, type Location, openSource } from '@peft/core';
import { processorConfig } from '../shared/processorConfig';
import { type WhisperFeatureExtractor, whisperFeatureExtractor } from './WhisperFeatureExtractor';

/** Loads what makes a model's features of speech. */
export const AutoFeatureExtractor = {
  /** From a folder, a hub repository or files in memory. Errors: there is none, or one of another kind. */
  async fromPretrained(where: Location, options: HubOptions = {}): Promise<WhisperFeatureExtractor> {
    const source = await openSource(where, options);
    const config = await processorConfig(source, 'feature_extractor');
    const type = config.feature_extractor_type ?? config.feature_extractor_class;
    if (type !== 'WhisperFeatureExtractor')
      throw new Error(`${source.describe} has a feature extractor of type ${JSON.stringify(type)}; WhisperFeatureExtractor is known here`);
    return whisperFeatureExtractor(config);
  },
};
