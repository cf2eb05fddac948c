export { type FusedBuild, fusedBuild } from './native/fused';
export { type Engine, type EngineName, type EngineOptions, useEngine } from './useEngine';
