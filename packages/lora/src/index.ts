export type { CombinationType, CombineOptions } from './combine/combineAdapters';
export type { InitLoraWeights, LoraConfig } from './config';
export { LoraConv2d } from './LoraConv2d';
export { LoraEmbedding } from './LoraEmbedding';
export { LoraLinear } from './LoraLinear';
export { type Lora, type LoraAdapter, type LoraLayer, lora } from './lora';
export { loraConfig } from './loraConfig';
