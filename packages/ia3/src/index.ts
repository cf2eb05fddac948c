export type { IA3Config } from './config';
export { ia3Config } from './ia3Config';
export { type Ia3, ia3 } from './ia3';
export { Ia3Layer } from './Ia3Layer';
