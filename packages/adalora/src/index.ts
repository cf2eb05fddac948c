export { AdaLoraLayer } from './AdaLoraLayer';
export { adaLoraConfig } from './adaLoraConfig';
export { type AdaLora, type AdaLoraAdapter, adaLora } from './adalora';
export type { AdaLoraConfig } from './config';
