export { openCheckpoint } from './files/checkpoint';
export { type HubOptions, type HubProgress, hub } from './files/hub';
export { type HubEnvironment, hubEnvironment } from './files/hubSettings';
export { type PushOptions, pushToHub } from './files/pushToHub';
export { readJson, writePythonJson } from './files/pythonJson';
export {
  type Checkpoint,
  parseSafetensors,
  readSafetensors,
  type StoredTensor,
  type TensorToWrite,
  writeSafetensors,
} from './files/safetensors';
export { folderSink, memorySink, openSink, type Sink, type SinkLocation } from './files/sink';
export { folder, type Location, type MemoryFiles, memory, openSource, type Source } from './files/source';
export { readTorch } from './files/torchFile';
export { valuesOf } from './files/valuesOf';
export { BatchNorm2d } from './layers/BatchNorm2d';
export { Conv1D } from './layers/Conv1D';
export { Conv2d, type Conv2dLayerOptions } from './layers/Conv2d';
export { Dropout } from './layers/Dropout';
export { Embedding } from './layers/Embedding';
export type { ConvLayer, EmbeddingLayer, Layer } from './layers/Layer';
export { LayerNorm } from './layers/LayerNorm';
export { Linear } from './layers/Linear';
export { RMSNorm } from './layers/RMSNorm';
export { TimeConv, type TimeConvOptions } from './layers/TimeConv';
export { type Qr, qr } from './math/qr';
export { type Svd, svd } from './math/svd';
export { isA, type Kinded, kind } from './module/brand';
export { cloneModule } from './module/cloneModule';
export { constant, type Initializer, kaimingUniform, normal, ones, uniform, values, zeros } from './module/initializers';
export {
  disposeModule,
  getModule,
  initialize,
  Module,
  namedModules,
  namedParameters,
  parameters,
  replaceModule,
  setTraining,
} from './module/Module';
export { Parameter, type ParameterRole } from './module/Parameter';
export { defaultGenerator, Generator, manualSeed } from './module/random';
export { type Activation, activation, gelu, geluTanh, quickGelu, relu, sigmoid, silu, swiglu } from './ops/activations';
export { asOneGraph } from './ops/asOneGraph';
export { type AttentionOptions, attention, type BatchLayout, mergeHeads, splitHeads, spreadRows } from './ops/attention';
export { batchNorm, type ChannelStatistics } from './ops/batchNorm';
export { checkpoint, isCheckpointing, withCheckpointing } from './ops/checkpoint';
export { type Conv2dOptions, conv2d } from './ops/conv2d';
export { type CrossEntropyOptions, crossEntropy, headCrossEntropy } from './ops/crossEntropy';
export { type Differentiable, differentiable } from './ops/differentiable';
export { dropout } from './ops/dropout';
export { add, multiply, scale, softcap, tanh } from './ops/elementwise';
export { embedding } from './ops/embedding';
export { isRecording } from './ops/engineForms';
export { linear, linearTransposed } from './ops/linear';
export { binaryCrossEntropyWithLogits, meanSquaredError, softCrossEntropy } from './ops/losses';
export { lowRank } from './ops/lowRank';
export { matMul } from './ops/matMul';
export { layerNorm, rmsNorm } from './ops/norms';
export { relativeScores } from './ops/relativeScores';
export { resizeBilinear } from './ops/resizeBilinear';
export { rotary } from './ops/rotary';
export { scatterRows } from './ops/scatterRows';
export { concat, gatherRows, mean, meanRows, reshape, slice, split, sum, transpose } from './ops/shapes';
export { writePositions } from './ops/writePositions';
export { pause } from './pause';
export { formatCount } from './peft/count';
export { compareWithCheckpoint, type LoadReport } from './peft/load';
export { PeftConfig } from './peft/PeftConfigFiles';
export {
  type AddAdapterOptions,
  getPeftModel,
  type LoadAdapterOptions,
  type MergeOptions,
  type MixedBatch,
  PeftModel,
  type SaveOptions,
} from './peft/PeftModel';
export type { LayerStatus, ModelStatus } from './peft/status';
export { AdapterLayer } from './tuner/AdapterLayer';
export { type AdaptLayersOptions, adaptLayers, type LayerAdapter } from './tuner/adaptLayers';
export type { BaseModel, Ids, KeyValue, KeyValueShape, KeyValues, ModelConfig, ModelOutput, TextBatch } from './tuner/BaseModel';
export { embedTokens } from './tuner/embedTokens';
export { NoMatchingModulesError } from './tuner/errors';
export { fanInFanOut } from './tuner/fanInFanOut';
export type { Field, Fields } from './tuner/fields';
export * as field from './tuner/fields';
export { type InsertTokensOptions, insertTokens, type Layout, type RowToArrange } from './tuner/insertTokens';
export { condenseTargets, matchModules, resolveAllLinear, resolvePattern, type TargetSpec } from './tuner/matching';
export { BASE, computeByRows } from './tuner/mixedBatch';
export { commonFields, isFloatField, makeConfig, PEFT_VERSION, type Tuned, tunerOf } from './tuner/PeftConfig';
export { fullMatch } from './tuner/pythonRegex';
export { findTuner, registerTuner } from './tuner/registry';
export { resolveTargets } from './tuner/resolveTargets';
export {
  checkSoftPrompt,
  resolveSoftPrompt,
  type SoftPromptBase,
  type SoftPromptConfig,
  softPromptFields,
} from './tuner/softPromptConfig';
export { TaskType } from './tuner/TaskType';
export type { Tokenizer } from './tuner/Tokenizer';
export type {
  Adapter,
  AnyTuner,
  AttachContext,
  BaseOf,
  CombineOf,
  ConfigOf,
  ForwardOf,
  HandleOf,
  NamedAdapter,
  Refit,
  Tuner,
} from './tuner/Tuner';
export { type TrainedBiases, trainBiases } from './tuner/trainedBiases';
export { readTrainedValues, writeTrainedValues } from './tuner/trainedValues';
export { setWarningHandler, type WarningHandler, warn } from './warn';
