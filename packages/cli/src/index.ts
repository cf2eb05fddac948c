export { installNative } from './installNative';
export type { Streams } from './Output';
export { run } from './run';
