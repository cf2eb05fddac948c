import {
  AdapterLayer,
  add,
  BASE,
  computeByRows,
  differentiable,
  type Embedding,
  kind,
  linear,
  matMul,
  normal,
  Parameter,
  scale,
  scatterRows,
  values,
  zeros,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { lengths, rescale } from './dora';
import type { LayerSettings } from './LayerSettings';

/**
 * LoRA on an embedding: E[x] + s·Aᵀ[x]·Bᵀ. Other than in a linear layer A starts at zero and B at N(0, 1), and as in Python
 * PEFT there is no dropout.
 */
export class LoraEmbedding extends AdapterLayer<Embedding> {
  static override readonly [kind] = 'lora.Embedding';
  readonly lora_embedding_A: Record<string, Parameter> = {}; // [r, tokens]
  readonly lora_embedding_B: Record<string, Parameter> = {}; // [C, r]
  readonly lora_magnitude_vector: Record<string, Parameter> = {}; // [C]
  readonly scaling: Record<string, number> = {};

  add(name: string, { r, scaling, init, use_dora, lora_bias }: LayerSettings): void {
    if (lora_bias) throw new Error('lora_bias cannot be used on an embedding: take the embedding out of target_modules');
    // Python PEFT silently ignores names of initialisations here; a name that does nothing is a mistake.
    if (typeof init === 'string') throw new Error(`init_lora_weights "${init}" cannot be used on an embedding: use true or false`);
    const { numEmbeddings, embeddingDim, weight } = this.base_layer;
    const A = new Parameter([r, numEmbeddings], init ? zeros : normal(0, 1));
    const B = new Parameter([embeddingDim, r], normal(0, 1));
    this.lora_embedding_A[name] = A;
    this.lora_embedding_B[name] = B;
    this.scaling[name] = scaling;
    if (weight.ready) {
      A.initialize();
      B.initialize();
    }
    if (use_dora)
      this.lora_magnitude_vector[name] = new Parameter(
        [embeddingDim],
        weight.ready ? values(tf.tidy(() => this.#norm(name).dataSync())) : zeros,
      );
  }

  /** @param ids [N] int32 @returns [N, C] */
  forward(ids: tf.Tensor1D): tf.Tensor2D {
    if (this.rows) return computeByRows(ids, this.rows, (part, name) => this.#compute(part, name === BASE ? [] : [name]));
    return this.#compute(ids, this.active);
  }

  /** The change of the table [tokens, C]; the caller disposes it. */
  delta(name: string): tf.Tensor2D {
    return tf.tidy(() => {
      const A = this.lora_embedding_A[name]?.value as unknown as tf.Tensor2D;
      const B = this.lora_embedding_B[name]?.value as unknown as tf.Tensor2D;
      return matMul(A, tf.mul(B, this.scaling[name] as number) as tf.Tensor2D, true, true);
    });
  }

  /** All that an adapter changes the weight by, DoRA's magnitude included; the caller disposes it. */
  change(name: string): tf.Tensor {
    const magnitude = this.lora_magnitude_vector[name];
    if (!magnitude) return this.delta(name);
    return tf.tidy(() => {
      const weight = (this.unmergedParameter('weight') as Parameter).value;
      const gain = tf.div(tf.reshape(magnitude.value, [-1]), this.#norm(name));
      return tf.sub(tf.mul(tf.add(weight, this.delta(name)), gain), weight);
    });
  }

  /** The length of the base weight for each output; the caller disposes it. */
  baseLengths(): tf.Tensor1D {
    return lengths((this.unmergedParameter('weight') as Parameter).value, [0]);
  }

  protected fold(name: string): Record<string, tf.Tensor> {
    return tf.tidy(() => {
      const magnitude = this.lora_magnitude_vector[name];
      const folded = tf.add(this.base_layer.weight.value, this.delta(name));
      return { weight: magnitude ? tf.mul(folded, tf.div(magnitude.value, this.#norm(name))) : folded };
    });
  }

  #compute(ids: tf.Tensor1D, names: readonly string[]): tf.Tensor2D {
    // Read before the engine gets them: ids that lie on a graphics card could not be read in the midst of a backward pass.
    const rows = names.some((name) => this.lora_embedding_A[name]?.trainable) ? ids.dataSync<'int32'>().slice() : undefined;
    const base = this.base_layer.forward(ids);
    let y = base;
    for (const name of names) {
      const A = this.lora_embedding_A[name];
      const B = this.lora_embedding_B[name];
      if (!A || !B || this.merged.includes(name)) continue;
      const low = scale(linear(columns(ids, rows, A, this.base_layer.paddingIdx), B), this.scaling[name] as number); // [N, C]
      const magnitude = this.lora_magnitude_vector[name];
      if (!magnitude) y = add(y, low);
      else {
        const own = rescale(add(base, low), magnitude, this.#norm(name), null);
        y = y === base ? own : add(y, own, scale(base, -1));
      }
    }
    return y;
  }

  #norm(name: string): tf.Tensor1D {
    return tf.tidy(() => lengths(tf.add((this.unmergedParameter('weight') as Parameter).value, this.delta(name)), [0]));
  }
}

/** The columns of a matrix [r, tokens] that ids name, as rows. @param rows the ids in memory, where the matrix is trained @returns [N, r] */
function columns(ids: tf.Tensor1D, rows: Int32Array | undefined, matrix: Parameter, paddingIdx: number | null): tf.Tensor2D {
  const look = () => tf.transpose(tf.gather(matrix.value, ids, 1)) as tf.Tensor2D;
  if (!matrix.trainable || !rows) return look();
  return differentiable<{ matrix: tf.Tensor }, tf.Tensor2D>(
    { matrix: matrix.value },
    {
      forward: look,
      backward: (dy) => ({
        matrix: () =>
          tf.transpose(
            scatterRows(dy, paddingIdx === null ? rows : rows.map((row) => (row === paddingIdx ? -1 : row)), matrix.shape[1] as number),
          ),
      }),
    },
  );
}
