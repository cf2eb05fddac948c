export type { IA3Config } from './config';
export { Ia3Layer } from './Ia3Layer';
export { type Ia3, ia3 } from './ia3';
export { ia3Config } from './ia3Config';
