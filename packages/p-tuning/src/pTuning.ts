import {
  type Adapter,
  concat,
  disposeModule,
  embedTokens,
  insertTokens,
  namedParameters,
  Parameter,
  readTrainedValues,
  resolveSoftPrompt,
  type SoftPromptBase,
  setTraining,
  slice,
  type TensorToWrite,
  type Tuner,
  warn,
  writeTrainedValues,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { type PromptEncoderConfig, promptEncoderFields, validatePromptEncoderConfig } from './config';
import { PromptEncoder } from './PromptEncoder';
import { anchorsOf, layoutOf } from './template';

/** A prompt and what makes it; it cannot be merged. */
export interface EncodedPrompt extends Adapter<SoftPromptBase> {
  readonly prompt_encoder: PromptEncoder;
}

export type PTuning = Tuner<PromptEncoderConfig, SoftPromptBase, EncodedPrompt, Record<string, never>>;

/** The method p-tuning; pass it where adapters are loaded. A config made by `promptEncoderConfig` carries it. */
export const pTuning: PTuning = {
  type: 'P_TUNING',
  fields: promptEncoderFields,
  validate: validatePromptEncoderConfig,
  resolve: (config, base) => {
    const sized = resolveSoftPrompt(config, base);
    return { ...sized, encoder_hidden_size: config.encoder_hidden_size ?? sized.token_dim };
  },
  attach: (base, config, _name, { inference }) => {
    const { num_virtual_tokens: count, token_dim: width, num_transformer_submodules: submodules } = resolveSoftPrompt(config, base);
    if (!inference && config.encoder_reparameterization_type === 'MLP' && config.encoder_num_layers !== 2)
      warn(`encoder_num_layers is ${config.encoder_num_layers} and has no effect: the MLP always has the same layers`);
    const encoder = new PromptEncoder(count * submodules, width, config, inference);
    const named = Object.fromEntries([...namedParameters(encoder)].map(([name, one]) => [`prompt_encoder.${name}`, one]));
    /** What the file holds, where it is computed. */
    const computed = encoder.reparameterized ? new Parameter([count * submodules, width]) : undefined;
    const template = config.prompt_template;
    const anchors = template ? anchorsOf(template) : [];
    return {
      keyPrefix: 'base_model.',
      prompt_encoder: encoder,
      parameters: () => named,
      state: () => ({ prompt_embeddings: computed ? refreshed(computed, encoder) : encoder.embedding.weight }),
      unloadable: computed
        ? 'it trains a prompt encoder, and P_TUNING files hold only the prompt that one gave; load it to be used, or train a new adapter'
        : undefined,
      ...(computed && {
        trainingState: () => writeTrainedValues(named),
        loadTrainingState: (state: Readonly<Record<string, TensorToWrite>>) => readTrainedValues(named, state),
      }),
      // What is not active does not stand around the model's forward pass.
      enable: () => {},
      detach: () => {
        disposeModule(encoder);
        computed?.dispose();
      },
      wrap: insertTokens({
        base,
        task: config.task_type,
        count: count + anchors.length,
        tokens: () => {
          setTraining(encoder, base.training);
          // As in Python PEFT an encoder–decoder model's second half of the rows is computed, saved and never used.
          const learned = slice(encoder.forward(), [0, 0], [count, width]); // [V, C]
          return anchors.length > 0 ? concat([learned, embedTokens(base, anchors)], 0) : learned;
        },
        ...(template && { layout: layoutOf(template, count) }),
      }),
    };
  },
};

/** The prompt as the encoder gives it now. */
function refreshed(computed: Parameter, encoder: PromptEncoder): Parameter {
  if (!encoder.embedding.weight.ready) return computed;
  setTraining(encoder, false);
  const prompt = tf.tidy(() => encoder.forward());
  computed.assign(prompt);
  prompt.dispose();
  return computed;
}
