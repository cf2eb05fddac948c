import { Generator, type Initializer, Parameter } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

/** He's uniform initialisation: the bound is √(6 / fan_in). */
const heUniform: Initializer = ([rows = 0, columns = 0], random) => {
  const bound = Math.sqrt(6 / columns);
  return random.uniform(rows * columns, -bound, bound);
};

/** The two frozen random matrices that all layers of an adapter share; each layer uses the corner that fits it. */
export class Projections {
  readonly A: Parameter; // [r, largest in]
  readonly B: Parameter; // [largest out, r]

  constructor(rank: number, inFeatures: number, outFeatures: number) {
    this.A = new Parameter([rank, inFeatures], heUniform, false);
    this.B = new Parameter([outFeatures, rank], heUniform, false);
  }

  /** The same seed and sizes give the same values. */
  initialize(seed: number): void {
    const random = new Generator(seed);
    this.A.initialize(random);
    this.B.initialize(random);
  }

  /** [r, in] and [out, r]; the caller, or its tidy scope, disposes them. */
  corners(inFeatures: number, outFeatures: number): [A: tf.Tensor2D, B: tf.Tensor2D] {
    const rank = this.A.shape[0] as number;
    const A = this.A.value as unknown as tf.Tensor2D;
    const B = this.B.value as unknown as tf.Tensor2D;
    return [tf.slice(A, [0, 0], [rank, inFeatures]), tf.slice(B, [0, 0], [outFeatures, rank])];
  }

  dispose(): void {
    this.A.dispose();
    this.B.dispose();
  }
}
