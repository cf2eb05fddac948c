import * as tf from '@tensorflow/tfjs-core';
import { kind } from './brand';
import { type Initializer, zeros } from './initializers';
import { defaultGenerator, type Generator } from './random';

/**
 * What a parameter is to its module: a weight; a buffer, which is saved with the weights but neither counted nor trained by
 * gradients; a counter, a buffer of whole numbers; or a constant, which is counted but neither saved nor trained.
 */
export type ParameterRole = 'weight' | 'buffer' | 'counter' | 'constant';

/**
 * A named weight of a module: first a shape alone, later values.
 *
 * Counting, matching and planning need only the shape; `value` exists after `assign` or `initialize`.
 * Weights are held in PyTorch's layout (linear: [out, in]; convolution: [out, in, height, width]).
 */
export class Parameter {
  static readonly [kind] = 'Parameter';
  readonly shape: readonly number[];
  readonly role: ParameterRole;
  /** The type its file gave it, until its values change; saving writes untouched values back as they came. */
  storedAs: string | undefined;
  readonly #initializer: Initializer;
  #trainable: boolean;
  #variable: tf.Variable | undefined;
  #transposed: tf.Tensor2D | undefined;

  constructor(shape: readonly number[], initializer: Initializer = zeros, trainable = true, role: ParameterRole = 'weight') {
    this.shape = shape;
    this.role = role;
    this.storedAs = role === 'counter' ? 'I64' : undefined;
    this.#trainable = trainable && role === 'weight';
    this.#initializer = initializer;
  }

  /** Whether training updates it; only a weight can be trained. */
  get trainable(): boolean {
    return this.#trainable;
  }

  set trainable(trainable: boolean) {
    this.#trainable = trainable && this.role === 'weight';
    // tfjs asks the variable itself.
    if (this.#variable) (this.#variable as { trainable: boolean }).trainable = this.#trainable;
  }

  get size(): number {
    return this.shape.reduce((product, n) => product * n, 1);
  }

  /** Whether there are values, not only a shape. */
  get ready(): boolean {
    return this.#variable !== undefined;
  }

  /** The values. The parameter owns them: never dispose them. */
  get value(): tf.Variable {
    if (!this.#variable)
      throw new Error(
        `this parameter of shape [${this.shape}] has no values yet: load weights into the model or call initialize(model) first`,
      );
    return this.#variable;
  }

  /** The transpose of a matrix, computed once for as long as the values stay; owned by the parameter. */
  get transposed(): tf.Tensor2D {
    // Kept outside any scope: it lives as long as the values do.
    this.#transposed ??= tf.keep(tf.transpose(this.value as unknown as tf.Tensor2D));
    return this.#transposed;
  }

  /** Takes over a tensor's values (shared, not copied); the caller still disposes the tensor. */
  assign(values: tf.Tensor): void {
    if (values.shape.length !== this.shape.length || values.shape.some((n, i) => n !== this.shape[i]))
      throw new Error(`a parameter of shape [${this.shape}] cannot take values of shape [${values.shape}]`);
    this.storedAs = this.role === 'counter' ? 'I64' : undefined;
    this.#dropTransposed();
    if (this.#variable) this.#variable.assign(values as tf.Tensor<tf.Rank>);
    else this.#variable = tf.variable(values, this.#trainable);
  }

  /** Takes values from memory, row-major. */
  set(data: Float32Array | number[]): void {
    const tensor = tf.tensor(data, this.shape as number[], 'float32');
    this.assign(tensor);
    tensor.dispose();
  }

  /** Gives a parameter without values those of its initialisation. */
  initialize(random: Generator = defaultGenerator()): void {
    if (!this.#variable) this.set(this.#initializer(this.shape, random));
  }

  /** A parameter of its own with the same values (shared until either changes). */
  clone(): Parameter {
    const copy = new Parameter(this.shape, this.#initializer, this.#trainable, this.role);
    if (this.#variable) copy.assign(this.#variable);
    copy.storedAs = this.storedAs;
    return copy;
  }

  /** Frees the values; the shape stays. */
  dispose(): void {
    this.#dropTransposed();
    this.#variable?.dispose();
    this.#variable = undefined;
  }

  #dropTransposed(): void {
    this.#transposed?.dispose();
    this.#transposed = undefined;
  }
}
