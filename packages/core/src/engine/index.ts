export { type Engine, type EngineName, type EngineOptions, useEngine } from './useEngine';
