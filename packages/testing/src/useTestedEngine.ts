import { type Engine, type EngineName, useEngine } from '@peft/core/engine';

/**
 * Starts the engine that tests run on: the one that the environment's `PEFT_ENGINE` names (`native`, `wasm`, …).
 * @default wasm with one thread
 */
export function useTestedEngine(): Promise<Engine> {
  return useEngine({ engine: (process.env.PEFT_ENGINE ?? 'wasm') as EngineName, log: () => {} });
}
