import * as tf from '@tensorflow/tfjs-core';
import { registerEngineForms } from '../../ops/engineForms';
import { nodeModule, requirePackage } from '../resolve';
import type { Started } from '../useEngine';
import { nativeForms } from './forms';
import { fusedBuild, loadFused, processorFlags } from './fused';
import { type NodeBackend, nativeKernels } from './kernels';
import { loadBackend } from './loadBackend';
import { graphBinding } from './oneGraph';
import { replaceKernels, shapeKernels } from './shapeKernels';

/** TensorFlow's own library, the faster of the packages that is installed; `PEFT_NATIVE` names a folder where to look first. */
export async function useNative(matmulPrecision: 'highest' | 'medium'): Promise<Started> {
  // Loading the library writes lines about the processor, unless it is told not to.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  // TensorFlow turns its faster matrix products off where it does not know the processor to be Intel's: a third slower on AMD's.
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '1';
  // A graph's operations on the thread that asks for it: other threads are woken for parts of large ones alone, which costs less.
  process.env.TF_NUM_INTEROP_THREADS ??= '-1';
  const util = (await nodeModule('node:util')) as unknown as Record<string, unknown>;
  // tfjs-node still calls what Node 23 no longer has.
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  const files = { fs: await nodeModule('node:fs'), os: await nodeModule('node:os') };
  const folders = process.env.PEFT_NATIVE ? [process.env.PEFT_NATIVE] : [];
  const build = await fusedBuild();
  let loaded = false;
  const problems: string[] = [];
  for (const name of ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']) {
    try {
      await requirePackage(name, folders, (require) => {
        loadBackend(require, name, files.fs);
        loaded = build !== undefined && loadFused(require, name, build);
      });
      if (!(await tf.setBackend('tensorflow'))) throw new Error(`${name} does not start`);
      await tf.ready();
      const backend = tf.backend() as unknown as NodeBackend;
      if (!backend.binding.asOneGraph) backend.binding = graphBinding(backend.binding, files);
      const kernels = nativeKernels(backend);
      replaceKernels(shapeKernels(kernels));
      const rounds = matmulPrecision === 'medium' && (await multipliesBfloat16());
      // Graphics cards have none.
      const fused = loaded && !backend.isUsingGpuDevice;
      const threads = files.os.availableParallelism();
      registerEngineForms('tensorflow', nativeForms(kernels, rounds, threads, fused));
      const facts = [
        name.slice('@tensorflow/'.length),
        ...(fused ? ['fused kernels'] : []),
        ...(rounds ? ['large products of bfloat16'] : []),
      ];
      return { description: `native (${facts.join(', ')})`, threads };
    } catch (error) {
      const { message } = error as Error;
      if (!message.endsWith('is not installed')) problems.push(message.split('\n')[0] as string);
    }
  }
  throw new Error(problems[0] ?? '@tensorflow/tfjs-node is not installed');
}

/** Whether the processor has instructions for it; without them TensorFlow computes such products slowly, or not at all. */
const multipliesBfloat16 = async (): Promise<boolean> =>
  (await processorFlags()).some((flag) => ['avx512_bf16', 'amx_bf16', 'bf16'].includes(flag));
