export type { PrefixTuningConfig } from './config';
export { PrefixEncoder } from './PrefixEncoder';
export { type CachingModel, type Prefix, type PrefixTuning, prefixTuning } from './prefixTuning';
export { prefixTuningConfig } from './prefixTuningConfig';
