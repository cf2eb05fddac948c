export type { Audio } from './Audio';
export { decodeAudio, type ReadAudioOptions, readAudio } from './readAudio';
export { resample } from './resample';
