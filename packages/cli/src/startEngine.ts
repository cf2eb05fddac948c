import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Engine, type EngineName, useEngine } from '@peft/core/engine';
import type { Output } from './Output';

/** Where `peft doctor --install-native` puts the native engine, and every command looks for it. */
export const nativeFolder = (): string =>
  process.env.PEFT_NATIVE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'peft', 'native');

interface EngineValues {
  engine?: EngineName | undefined;
  matmul_precision?: 'highest' | 'medium' | undefined;
  threads?: number | undefined;
}

/** Chooses the engine and notes which one runs. Errors: the one asked for cannot run. */
export function startEngine(
  { engine, matmul_precision, threads }: EngineValues,
  output: Output,
  purpose: 'training' | 'inference' = 'inference',
): Promise<Engine> {
  if (existsSync(nativeFolder())) process.env.PEFT_NATIVE ??= nativeFolder();
  return useEngine({
    purpose,
    ...(engine !== undefined && { engine }),
    ...(matmul_precision !== undefined && { matmulPrecision: matmul_precision }),
    ...(threads !== undefined && { threads }),
    log: (line) => void (output.quiet || output.note(line)),
  });
}
