import { type Engine, type EngineName, useEngine } from '@peft/core/engine';
import plain from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.wasm?url';
import simd from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm?url';
import threads from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.wasm?url';
import type { EngineChoice } from '../api';

/** How each backend is loaded, when it is tried. */
const backends: Partial<Record<EngineName, () => Promise<unknown>>> = {
  webgpu: () => import('@tensorflow/tfjs-backend-webgpu'),
  webgl: () => import('@tensorflow/tfjs-backend-webgl'),
  wasm: async () => {
    const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
    setWasmPaths({
      'tfjs-backend-wasm.wasm': plain,
      'tfjs-backend-wasm-simd.wasm': simd,
      'tfjs-backend-wasm-threaded-simd.wasm': threads,
    });
  },
};

/** Starts the engine asked for, or the best that the browser has. */
export const startEngine = (choice: EngineChoice): Promise<Engine> =>
  useEngine({ purpose: 'training', backends, ...(choice !== 'best' && { engine: choice }) });
