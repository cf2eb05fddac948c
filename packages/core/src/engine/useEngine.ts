import * as tf from '@tensorflow/tfjs-core';
import { useNative } from './native/useNative';
import { useNodeWebgpu } from './nodeWebgpu';
import { whyNotGraphics } from './softwareGraphics';
import { running, useWasm } from './wasm';

/** `native` is TensorFlow's own library through tfjs-node or tfjs-node-gpu, `webgpu` in Node is the package of that name; the others are tfjs's backends of these names. */
export type EngineName = 'native' | 'wasm' | 'webgpu' | 'webgl' | 'cpu';

export interface EngineOptions {
  /** Training takes the time to start threads, one-shot work does not. @default 'inference' */
  purpose?: 'training' | 'inference';
  /** Only this one. @default the best that is there: in Node native, then wasm; in browsers webgpu, webgl, wasm, graphics only where a card computes them */
  engine?: EngineName;
  /**
   * `'medium'` lets an engine round the factors of large products to bfloat16, which keeps 8 bits of each instead of 24; sums stay
   * float32. As `torch.set_float32_matmul_precision`, it is a permission: the native engine uses it where the processor has
   * instructions for it, as far as Linux tells.
   * @default 'highest'
   */
  matmulPrecision?: 'highest' | 'medium';
  /** Threads of the wasm engine. @default all cores that are free for training, 1 for inference */
  threads?: number;
  /** Loads a backend that is not imported yet, by name: `{ webgpu: () => import('@tensorflow/tfjs-backend-webgpu') }`. */
  backends?: Partial<Record<EngineName, () => Promise<unknown>>>;
  /** Is told in one line which engine runs, and why better ones do not. @default to the error stream in Node, to the console in browsers */
  log?: (line: string) => void;
}

export interface Engine {
  readonly name: EngineName;
  /** What runs, as a reader understands it: "wasm, 2 threads". */
  readonly description: string;
  readonly threads: number;
  /** Why better engines do not run. */
  readonly notUsed: readonly string[];
}

/** What one kind of engine says of itself once it runs. */
export interface Started {
  description: string;
  threads: number;
}

const isNode = typeof process !== 'undefined' && Boolean(process.versions?.node);

/**
 * Chooses the engine that computes, for the whole program.
 * Errors: no engine can be used, or the one asked for cannot; each with its reason.
 */
export async function useEngine({
  purpose = 'inference',
  engine,
  matmulPrecision = 'highest',
  threads,
  backends = {},
  log = say,
}: EngineOptions = {}): Promise<Engine> {
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0))
    throw new Error(`threads must be a whole number above 0, not ${threads}`);
  const candidates: readonly EngineName[] = engine ? [engine] : isNode ? ['native', 'wasm'] : ['webgpu', 'webgl', 'wasm', 'cpu'];
  const notUsed: string[] = [];
  for (const name of candidates) {
    try {
      const why = !engine && (name === 'webgpu' || name === 'webgl') ? await whyNotGraphics(name) : undefined;
      if (why) throw new Error(why);
      const { description, threads: running } = await start(name, { purpose, matmulPrecision, threads, load: backends[name] });
      log(`engine: ${description}${notUsed.length > 0 ? ` (${notUsed.join('; ')})` : ''}`);
      return { name, description, threads: running, notUsed };
    } catch (error) {
      notUsed.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new Error(`no engine can be used: ${notUsed.join('; ')}`);
}

interface StartOptions {
  purpose: 'training' | 'inference';
  matmulPrecision: 'highest' | 'medium';
  threads: number | undefined;
  load: (() => Promise<unknown>) | undefined;
}

async function start(name: EngineName, { purpose, matmulPrecision, threads, load }: StartOptions): Promise<Started> {
  const loaded = await load?.();
  if (name === 'native') return useNative(matmulPrecision);
  if (name === 'webgpu' && isNode && !loaded) return useNodeWebgpu();
  if (name === 'wasm' && isNode) return useWasm(threads ?? (purpose === 'training' ? undefined : 1));
  return useRegistered(name, loaded);
}

/** A backend that the application has imported. @param loaded its package, where it was loaded here */
async function useRegistered(name: string, loaded: unknown): Promise<Started> {
  if (tf.findBackendFactory(name) == null) throw new Error(`@tensorflow/tfjs-backend-${name} is not imported`);
  if (!(await tf.setBackend(name))) throw new Error('it does not start here');
  await tf.ready();
  if (name !== 'wasm') return { description: name, threads: 1 };
  return running(loaded as Parameters<typeof running>[0]);
}

const say = (line: string) => (isNode ? void process.stderr.write(`${line}\n`) : console.info(line));
