export { type Check, conformance, type MethodUnderTest } from './conformance/conformance';
export { checkGradients, type GradientCheckOptions } from './gradcheck';
export { type Measure, TOLERANCES } from './reference/Comparison';
export { type Processor, type ReferenceModel, type ReferenceOptions, Unsupported } from './reference/runCase';
export { type CaseResult, runReference } from './reference/runReference';
export { tinyBase, tinyConfigs, tinyLabels, tinyText } from './tinyBase';
export { useTestedEngine } from './useTestedEngine';
