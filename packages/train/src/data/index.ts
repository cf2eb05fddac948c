export { type ImageExample, type ImageFolder, type ImageFolderOptions, imageFolder } from './imageFolder';
export { type DataLocation, type DatasetOptions, loadDataset, readDataset } from './loadDataset';
export type { DataFormat, DataRecord, Encoding, ReadOptions } from './ReadOptions';
export { formatOf } from './readFile';
export { type SplitOptions, trainTestSplit } from './trainTestSplit';
