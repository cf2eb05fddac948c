import { type BaseModel, namedParameters, Parameter, replaceModule, warn } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import type { PretrainedModel } from './shared/PretrainedModel';

/**
 * Gives a model rows for more tokens, in its embedding and its head; new rows are the mean of the old ones, the head's biases 0.
 * Errors: fewer tokens than there are; a model that reads none.
 */
export function resizeTokenEmbeddings(model: PretrainedModel & BaseModel, count: number): void {
  const old = model.config.vocab_size as number;
  if (!model.inputEmbeddings) throw new Error(`${model.auto_mapping.base_model_class} has no embeddings of tokens`);
  if (!Number.isInteger(count) || count < old) throw new Error(`a model of ${old} tokens cannot be given ${count}: rows are only added`);
  if (count === old) return;
  const head = model.outputEmbeddings?.() as { weight?: Parameter; bias?: Parameter | null } | undefined;
  const tables = [(model.inputEmbeddings() as { weight?: Parameter }).weight, head?.weight, head?.bias];
  for (const parameter of new Set(tables)) {
    if (!parameter || parameter.shape[0] !== old) continue;
    const grown = grow(parameter, count);
    // Tied weights stand in several places.
    for (const [path, one] of [...namedParameters(model)]) if (one === parameter) replaceModule(model, path, grown);
    parameter.dispose();
  }
  for (const [path, bias] of [...namedParameters(model)])
    if (path.endsWith('final_logits_bias')) {
      replaceModule(model, path, widen(bias, count));
      bias.dispose();
    }
  model.config.vocab_size = count;
  warn(`the model had ${old} tokens and has ${count} now: the new ones' embeddings are the mean of the others`);
}

/** A row of biases, 0 for the new tokens. */
function widen(bias: Parameter, count: number): Parameter {
  const [rows = 1, old = 0] = bias.shape;
  const wide = new Parameter([rows, count], undefined, bias.trainable, bias.role);
  if (bias.ready)
    tf.tidy(() =>
      wide.assign(
        tf.pad(bias.value, [
          [0, 0],
          [0, count - old],
        ]),
      ),
    );
  return wide;
}

function grow(parameter: Parameter, count: number): Parameter {
  const [old = 0, ...rest] = parameter.shape;
  const grown = new Parameter([count, ...rest], undefined, parameter.trainable);
  if (parameter.ready) {
    tf.tidy(() => {
      const { value } = parameter;
      const row = rest.length > 0 ? tf.mean(value, 0, true) : tf.zeros([1]);
      grown.assign(tf.concat([value, tf.tile(row, [count - old, ...rest.map(() => 1)])], 0));
    });
  }
  return grown;
}
