export type { NewMethodConfig } from './config';
export { NewMethodLayer } from './NewMethodLayer';
export { type NewMethod, newMethod, newMethodConfig } from './newMethod';
