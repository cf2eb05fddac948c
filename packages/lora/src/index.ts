export { type CombinationType, type CombineOptions } from './combine/combineAdapters';
export { type InitLoraWeights, type LoraConfig, loraConfig } from './config';
export { type Lora, type LoraAdapter, type LoraLayer, lora } from './lora';
export { LoraConv2d } from './LoraConv2d';
export { LoraEmbedding } from './LoraEmbedding';
export { LoraLinear } from './LoraLinear';
