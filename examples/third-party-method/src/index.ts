export type { VeraConfig } from './config';
export { VeraLayer } from './VeraLayer';
export { type Vera, vera, veraConfig } from './vera';
