import type * as tf from '@tensorflow/tfjs-core';
import { type NodeModules, nodeModules } from '../../files/nodeFs';
import type { EngineForms } from '../../ops/engineForms';
import type { Handle } from './binding';
import type { NativeKernels } from './kernels';

/** The first digits of the SHA-256 of ../../../native/fusedKernels.cc: what was compiled from another text is not loaded. */
export const SOURCE = 'fd20a0ce';

export interface FusedBuild {
  /** Where it belongs: beside the binding. */
  file: string;
  /** What the compiler is told of the processor. */
  flags: readonly string[];
}

/** How the fused kernels are compiled for this machine; nothing where they cannot be. */
export async function fusedBuild(): Promise<FusedBuild | undefined> {
  if (process.platform !== 'linux') return undefined;
  const flags = await processorFlags();
  const has = (...names: string[]) => names.every((name) => flags.includes(name));
  const level = has('avx512f', 'avx512bw', 'avx512dq', 'avx512vl') ? 'x86-64-v4' : has('avx2', 'fma') ? 'x86-64-v3' : undefined;
  return { file: `fused-${SOURCE}-${process.arch}${level ? `-${level}` : ''}.node`, flags: level ? [`-march=${level}`] : [] };
}

/** What the processor can do, as far as Linux tells. */
export async function processorFlags(): Promise<readonly string[]> {
  const { fs } = (await nodeModules()) as NodeModules;
  const facts = await fs.readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  return /^(?:flags|Features)\s*:(.*)$/m.exec(facts)?.[1]?.trim().split(' ') ?? [];
}

/**
 * Loads the fused kernels that lie beside a binding.
 * @param require of a place from where the package is found
 * @returns whether they are there
 */
export function loadFused(require: NodeJS.Require, name: string, { file }: FusedBuild): boolean {
  try {
    require(require.resolve(name).replace(/dist[\\/]index\.js$/, `lib/napi-v8/${file}`));
    return true;
  } catch {
    // Without them all is computed, if more slowly; `fused kernels` is then not said of the engine.
    return false;
  }
}

/** Softmax of scores [B, H, T, S] times a scale plus a mask. */
export type FusedSoftmax = (scores: Handle, mask: Handle | undefined, scale: number) => Handle;

export const fusedSoftmax =
  (k: NativeKernels): FusedSoftmax =>
  (scores, mask, scale) =>
    k.run('PeftSoftmax', [scores, mask ?? k.nothing(), k.number(scale)]);

/** What the fused kernels compute. */
export function fusedForms(k: NativeKernels): Partial<EngineForms> {
  const { form, number } = k;
  const softmax = fusedSoftmax(k);
  const activations = { gelu: 'PeftGelu', geluTanh: 'PeftGeluTanh', silu: 'PeftSilu', quickGelu: 'PeftQuickGelu' };
  const activation = (name: string) => (x: tf.Tensor) => form<tf.Tensor>(name, [x], (all) => k.run(name, [all]));
  const norm = (centred: boolean) => (centred ? 'PeftLayerNorm' : 'PeftRmsNorm');
  const rotary = (name: string) => (x: tf.Tensor2D, cos: tf.Tensor2D, sin: tf.Tensor2D, heads: number) =>
    form<tf.Tensor2D>(`${name} ${heads}`, [x, cos, sin], (rows, c, s) => {
      const [count, width] = x.shape;
      return k.reshape(k.run(name, [k.reshape(rows, [count, heads, width / heads]), c, s]), x.shape);
    });
  return {
    gelu: activation(activations.gelu),
    geluTanh: activation(activations.geluTanh),
    silu: activation(activations.silu),
    quickGelu: activation(activations.quickGelu),
    activationGradient: (name, dy, x) => form(`${name}Grad`, [dy, x], (d, all) => k.run(`${activations[name]}Grad`, [d, all])),
    swiglu: (gate, up) => form('swiglu', [gate, up], (g, u) => k.run('PeftSwiglu', [g, u])),
    swigluGradient: (dy, gate, up) => k.several('PeftSwigluGrad', [dy, gate, up], 2) as [tf.Tensor, tf.Tensor],
    norm: (x, weight, bias, eps, centred) =>
      form(`norm ${eps} ${centred}`, bias ? [x, weight, bias] : [x, weight], (rows, factor, shift) =>
        k.run(norm(centred), [rows, factor, shift ?? k.nothing(), number(eps)]),
      ),
    normGradient: (dy, x, weight, eps, centred) =>
      form(`normGradient ${eps} ${centred}`, [dy, x, weight], (d, rows, factor) =>
        k.run(`${norm(centred)}Grad`, [d, rows, factor, number(eps)]),
      ),
    rotary: rotary('PeftRotary'),
    rotaryGradient: rotary('PeftRotaryGrad'),
    softmax: (scores, mask, scale) =>
      form(`softmax ${scale}`, mask ? [scores, mask] : [scores], (all, shift) => softmax(all, shift, scale)),
    softmaxGradient: (dy, probabilities, scale) =>
      form(`softmaxGradient ${scale}`, [dy, probabilities], (d, p) => k.run('PeftSoftmaxGrad', [d, p, number(scale)])),
    rowLosses: (logits, at) => {
      const [losses, probabilities] = k.several('PeftCrossEntropy', [logits, at], 2);
      return { losses: losses as tf.Tensor1D, probabilities: probabilities as tf.Tensor2D };
    },
  };
}
