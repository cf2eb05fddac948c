import * as tf from '@tensorflow/tfjs-core';
import { requirePackage } from './resolve';
import type { Started } from './useEngine';

interface Dawn {
  create(options: string[]): {
    requestAdapter(): Promise<{ readonly info?: { readonly description?: string; readonly vendor?: string } } | null>;
  };
  globals: object;
}

/** A graphics card in Node, by the package webgpu (Dawn) beneath tfjs's backend; `PEFT_WEBGPU` names a folder where to look first. */
export async function useNodeWebgpu(): Promise<Started> {
  const folders = process.env.PEFT_WEBGPU ? [process.env.PEFT_WEBGPU] : [];
  const { create, globals } = (await requirePackage('webgpu', folders)).loaded as Dawn;
  const gpu = create([]);
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error('there is no graphics card that WebGPU can use');
  // The backend looks for what a browser has.
  Object.assign(globalThis, globals);
  const scope = globalThis as unknown as { navigator?: object };
  scope.navigator ??= {};
  Object.defineProperty(scope.navigator, 'gpu', { value: gpu, configurable: true });
  await requirePackage('@tensorflow/tfjs-backend-webgpu', folders);
  if (!(await tf.setBackend('webgpu'))) throw new Error('@tensorflow/tfjs-backend-webgpu does not start');
  await tf.ready();
  const { description, vendor } = adapter.info ?? {};
  return { description: `webgpu (${description || vendor || 'a card without a name'})`, threads: 1 };
}
