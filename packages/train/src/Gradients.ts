import { type Parameter, scale as scaled } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { type Trainable, trainableParameters } from './trainable';

export interface BackwardOptions {
  /** Gradients are those of the loss times this, e.g. 1 / (number of batches accumulated). @default 1 */
  scale?: number;
}

/** Engines whose values lie elsewhere than in memory. WebGPU's can hardly be read without waiting: by way of a canvas, where there is one. */
const REMOTE = ['webgpu', 'webgl'];

/** The gradients of what is trained, added up over backward passes as PyTorch's `.grad`. */
export class Gradients {
  readonly #what: Trainable;
  readonly #held = new Map<Parameter, { name: string; gradient: tf.Tensor }>();

  constructor(what: Trainable) {
    this.#what = what;
  }

  /** The tensors, by parameter name; they stay this object's. */
  get byName(): Record<string, tf.Tensor> {
    return Object.fromEntries([...this.#held.values()].map(({ name, gradient }) => [name, gradient]));
  }

  entries(): Iterable<[Parameter, { readonly name: string; readonly gradient: tf.Tensor }]> {
    return this.#held;
  }

  /** Runs a loss and its backward pass and returns the loss, not scaled. */
  backward(loss: () => tf.Scalar | undefined, options: BackwardOptions = {}): number {
    const raw = this.#run(loss, options);
    try {
      return raw.dataSync()[0] as number;
    } finally {
      raw.dispose();
    }
  }

  /**
   * The same, waiting for engines that compute on their own: what is read while waiting can then be read at once, so that neither
   * the norm nor an optimizer's step makes the engine stop.
   */
  async backwardAsync(loss: () => tf.Scalar | undefined, options: BackwardOptions = {}): Promise<number> {
    const raw = this.#run(loss, options);
    try {
      const held = REMOTE.includes(tf.getBackend()) ? [...this.#held] : [];
      const [value] = await Promise.all([raw.data(), ...held.flatMap(([{ value }, { gradient }]) => [value.data(), gradient.data()])]);
      return (value as Float32Array)[0] as number;
    } finally {
      raw.dispose();
    }
  }

  #run(loss: () => tf.Scalar | undefined, { scale = 1 }: BackwardOptions): tf.Scalar {
    const trained = trainableParameters(this.#what);
    if (trained.size === 0)
      throw new Error('there is nothing to train: no parameter is trainable (is an adapter active, and not loaded for inference?)');
    // The variable's own flag is that of the time of its creation; the parameter's decides.
    for (const parameter of trained.values()) parameter.value.trainable = true;
    let raw: tf.Scalar | undefined;
    const run = () => {
      raw = tf.keep(checked(loss()));
      return scale === 1 ? raw : scaled(raw, scale);
    };
    try {
      const { value, grads } = gradientsOf(run, [...trained.values()]);
      if (value !== raw) value.dispose();
      for (const [name, parameter] of trained) this.#add(name, parameter, grads[parameter.value.name]);
      return raw as unknown as tf.Scalar;
    } catch (error) {
      raw?.dispose();
      throw error;
    }
  }

  /** Scales all gradients so that their common norm is at most `maxNorm`, and returns the norm they had. */
  clipNorm(maxNorm: number): number {
    let sum = 0;
    for (const { gradient } of this.#held.values()) for (const g of gradient.dataSync()) sum += g * g;
    const norm = Math.sqrt(sum);
    const factor = Math.min(1, maxNorm / (norm + 1e-6));
    if (factor !== 1)
      for (const held of this.#held.values()) {
        const { gradient } = held;
        held.gradient = tf.mul(gradient, factor);
        gradient.dispose();
      }
    return norm;
  }

  clear(): void {
    for (const { gradient } of this.#held.values()) gradient.dispose();
    this.#held.clear();
  }

  #add(name: string, parameter: Parameter, gradient: tf.Tensor | undefined): void {
    if (!gradient) return;
    const held = this.#held.get(parameter);
    if (!held) {
      this.#held.set(parameter, { name, gradient });
      return;
    }
    const sum = tf.add(held.gradient, gradient);
    held.gradient.dispose();
    gradient.dispose();
    this.#held.set(parameter, { name, gradient: sum });
  }
}

function checked(loss: tf.Scalar | undefined): tf.Scalar {
  if (!loss) throw new Error('the loss is undefined: does the batch have labels?');
  if (!(loss instanceof tf.Tensor) || loss.size !== 1) throw new Error('the loss must be a tensor of one number');
  return loss;
}

function gradientsOf(loss: () => tf.Scalar, trained: readonly Parameter[]) {
  try {
    return tf.variableGrads(
      loss,
      trained.map(({ value }) => value),
    );
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('Cannot find a connection'))
      throw new Error(
        `no gradient reaches any of the ${trained.length} trainable parameters: the loss does not depend on them. Use the operations of @peft/core ` +
          'between them and the loss, call dataSync() or data() on nothing in between, and see that the adapter is active',
        { cause: error },
      );
    throw error;
  }
}
