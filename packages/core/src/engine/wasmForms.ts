import * as tf from '@tensorflow/tfjs-core';
import { registerEngineForms } from '../ops/engineForms';

/** What tfjs's wasm backend has beside its kernels. */
interface WasmBackend {
  /** A tensor's values where they lie. */
  typedArrayFromHeap(tensor: tf.Tensor): Float32Array;
}

/** Says what the wasm engine, which runs now, computes in forms of its own. */
export function registerWasmForms(): void {
  const backend = tf.backend() as unknown as WasmBackend;
  registerEngineForms('wasm', {
    writePositions(cache, x, start) {
      const [B, H, S, D] = cache.shape;
      const width = x.shape[2] * D;
      const [target, source] = [backend.typedArrayFromHeap(cache), backend.typedArrayFromHeap(x)];
      for (let i = 0; i < B * H; i++) target.set(source.subarray(i * width, (i + 1) * width), (i * S + start) * D);
      return cache;
    },
  });
}
