import * as tf from '@tensorflow/tfjs-core';
import { guardMemory } from './guardMemory';
import { nodeModule, requirePackage } from './resolve';
import type { Started } from './useEngine';
import { registerWasmForms } from './wasmForms';

interface WasmBackend {
  setThreadsCount(count: number): void;
  getThreadsCount(): number;
}

const NAME = '@tensorflow/tfjs-backend-wasm';

/** The embedded engine in Node. @param wanted threads. @default as many as there are free cores */
export async function useWasm(wanted?: number): Promise<Started> {
  const { loaded, resolve } = await requirePackage(NAME);
  const backend = loaded as WasmBackend;
  const threads = Math.min(wanted ?? (await freeCores()), (await nodeModule('node:os')).availableParallelism());
  if (threads === 1 || tf.engine().registry.wasm) return startBackend(backend);
  const restore = await allowThreads(backend, threads, resolve);
  try {
    return await startBackend(backend);
  } finally {
    restore();
  }
}

/**
 * Cores that nothing else keeps busy, at least one. Threads wait for each other by spinning: where another program holds one of
 * two cores, two threads take three times as long as one.
 */
async function freeCores(): Promise<number> {
  const { cpus } = await nodeModule('node:os');
  const before = cpus();
  await new Promise((resolve) => setTimeout(resolve, 200));
  const after = cpus();
  const idle = after.map(({ times }, i) => {
    const earlier = before[i]?.times ?? times;
    const elapsed = Object.values(times).reduce((sum, time) => sum + time, 0) - Object.values(earlier).reduce((sum, time) => sum + time, 0);
    return elapsed > 0 ? (times.idle - earlier.idle) / elapsed : 1;
  });
  return Math.max(1, Math.round(idle.reduce((sum, share) => sum + share, 0)));
}

async function startBackend(backend: WasmBackend): Promise<Started> {
  if (!(await tf.setBackend('wasm'))) throw new Error(`${NAME} does not start here`);
  await tf.ready();
  return running(backend);
}

/** What belongs to a wasm backend that has started. @param backend its package, where it was loaded here */
export function running({ getThreadsCount }: Partial<WasmBackend> = {}): Started {
  guardMemory(tf.backend());
  registerWasmForms();
  // Threads are there in Node as wanted, and in pages that are isolated from others; only the package knows how many it started.
  const threads = tf.env().getBool('WASM_HAS_MULTITHREAD_SUPPORT') ? (getThreadsCount?.() ?? 1) : 1;
  return { description: `wasm, ${threads} thread${threads === 1 ? '' : 's'}`, threads };
}

/**
 * The package turns its threaded build off in Node (https://github.com/tensorflow/tfjs/issues/3830), for reasons that can be
 * helped: its workers' code comes as a `blob:` address, which Node's workers do not take; workers keep the program alive; and
 * it makes half as many threads as there are cores. All is put back when the backend has started.
 */
async function allowThreads(backend: WasmBackend, threads: number, resolve: (file: string) => string): Promise<() => void> {
  const workers = (await nodeModule('node:worker_threads')) as { Worker: typeof import('node:worker_threads').Worker };
  const os = (await nodeModule('node:os')) as { cpus: typeof import('node:os').cpus };
  const build = resolve('wasm-out/tfjs-backend-wasm-threaded-simd.js');
  const { loaded } = await requirePackage(`${NAME}/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js`);
  const code = (loaded as { wasmWorkerContents: string }).wasmWorkerContents.replaceAll('\n', '\\n');
  const original = { Worker: workers.Worker, cpus: os.cpus };
  workers.Worker = class extends original.Worker {
    constructor(file: string | URL, options?: import('node:worker_threads').WorkerOptions) {
      const isBlob = typeof file === 'string' && file.startsWith('blob:');
      super(isBlob ? code : file, isBlob ? { ...options, eval: true } : options);
      this.unref();
    }
    override ref(): void {}
    override postMessage(
      message: { cmd?: string; urlOrBlob?: unknown },
      transfer?: readonly import('node:worker_threads').TransferListItem[],
    ): void {
      const isLoad = message?.cmd === 'load' && typeof message.urlOrBlob !== 'string';
      super.postMessage(isLoad ? { ...message, urlOrBlob: build } : message, transfer);
    }
  };
  os.cpus = () => Array.from({ length: 2 * threads }, () => ({}) as import('node:os').CpuInfo);
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', true);
  backend.setThreadsCount(threads);
  return () => {
    workers.Worker = original.Worker;
    os.cpus = original.cpus;
  };
}
