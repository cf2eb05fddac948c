import {
  type Adapter,
  concat,
  disposeModule,
  type Ids,
  type KeyValue,
  type KeyValues,
  namedParameters,
  Parameter,
  readTrainedValues,
  resolveSoftPrompt,
  type SoftPromptBase,
  type TaskType,
  type TensorToWrite,
  type TextBatch,
  type Tuner,
  warn,
  writeTrainedValues,
} from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { type PrefixTuningConfig, prefixTuningFields } from './config';
import { keyValuesOf, type SizedConfig } from './keyValues';
import { PrefixEncoder } from './PrefixEncoder';

/** A model whose forward pass takes `past_key_values`. */
export type CachingModel = SoftPromptBase & Required<Pick<SoftPromptBase, 'keyValueShapes'>>;

/** A prefix; it cannot be merged. */
export interface Prefix extends Adapter<CachingModel> {
  readonly encoder: PrefixEncoder;
}

export type PrefixTuning = Tuner<PrefixTuningConfig, CachingModel, Prefix, Record<string, never>>;

/** The method prefix tuning; pass it where adapters are loaded. A config made by `prefixTuningConfig` carries it. */
export const prefixTuning: PrefixTuning = {
  type: 'PREFIX_TUNING',
  fields: prefixTuningFields,
  resolve: sized,
  attach: (base, config, _name, { inference }) => attachPrefix(base, config as SizedConfig, inference),
};

/** A config with the sizes of a model's keys and values. Errors: there are none, or the config has others. */
function sized(config: PrefixTuningConfig, base: CachingModel): SizedConfig {
  const layers = base.keyValueShapes?.() ?? [];
  if (layers.length === 0)
    throw new Error(
      'PREFIX_TUNING puts keys and values before those of the text, and this model takes no past_key_values: choose a method of prompts',
    );
  const heads = Math.max(...layers.map((layer) => layer.heads));
  const headSize = Math.max(...layers.map((layer) => layer.headSize));
  // Where heads are shared, a config may still name as many as the query has, as in Python PEFT.
  const given = (config.token_dim ?? headSize * heads) / (config.num_attention_heads ?? heads);
  if (config.token_dim !== null && config.num_attention_heads !== null && given !== headSize)
    throw new Error(
      `token_dim ${config.token_dim} and num_attention_heads ${config.num_attention_heads} make heads of ${given}, this model's keys have ${heads} heads of ${headSize}: leave both out`,
    );
  const filled = resolveSoftPrompt({ ...config, token_dim: heads * headSize, num_attention_heads: heads }, base);
  // Python PEFT counts an encoder's layers, though the decoder has the prefix: it fails where that has more of them.
  const num_layers = config.num_layers ?? Math.max(filled.num_layers, layers.length);
  if (num_layers < layers.length)
    throw new Error(`num_layers is ${num_layers}, but this model has ${layers.length} layers that need a prefix: leave it out`);
  return { ...filled, num_layers, encoder_hidden_size: config.encoder_hidden_size ?? filled.token_dim };
}

/** Prefixes that a pass begins with, as opposed to caches of earlier passes. */
const begun = new WeakSet<KeyValues>();

function attachPrefix(base: CachingModel, config: SizedConfig, inference: boolean): Prefix {
  const { num_virtual_tokens: V, task_type } = config;
  const layers = base.keyValueShapes();
  const mask = base.config.is_encoder_decoder === true ? 'decoder_attention_mask' : 'attention_mask';
  const encoder = new PrefixEncoder(config, !inference);
  // What a file holds is the prefix itself, however it was trained.
  const saved = encoder.transform ? new Parameter(encoder.shape, undefined, false) : encoder.embedding.weight;
  const named = Object.fromEntries(namedParameters(encoder, 'prompt_encoder'));
  const free = () => {
    disposeModule(encoder);
    saved.dispose();
  };
  return {
    encoder,
    keyPrefix: 'base_model.',
    parameters: () => named,
    state: () => {
      if (saved !== encoder.embedding.weight && encoder.embedding.weight.ready) tf.tidy(() => saved.assign(encoder.forward()));
      return { prompt_embeddings: saved };
    },
    unloadable: encoder.transform
      ? 'it trains a projection, and files hold only what that made; load it to be used, or train with prefix_projection: false'
      : undefined,
    ...(encoder.transform && {
      trainingState: () => writeTrainedValues(named),
      loadTrainingState: (state: Readonly<Record<string, TensorToWrite>>) => readTrainedValues(named, state),
    }),
    // What is not active does not stand around the model's forward pass.
    enable: () => {},
    detach: free,
    wrap: (forward) => (batch) => {
      const past = batch.past_key_values;
      let all = past;
      // A cache that generation hands on begins with the prefix already.
      if (past === undefined || begun.has(past)) {
        all = keyValuesOf(encoder.forward(), config, layers, rowsOf(batch)).map((own, i) => (past ? join(own, past[i] as KeyValue) : own));
        begun.add(all);
      }
      return forward({
        ...withoutTypes(batch, task_type),
        past_key_values: all as KeyValues,
        ...(batch[mask] && { [mask]: nested(batch[mask]).map((row) => [...Array.from({ length: V }, () => 1), ...row]) }),
        ...(batch.position_ids && { position_ids: nested(batch.position_ids).map((row) => row.map((at) => at + V)) }),
      });
    },
  };
}

/** Several prefixes stand one behind the other. */
const join = (a: KeyValue, b: KeyValue): KeyValue => ({ key: concat([a.key, b.key], 2), value: concat([a.value, b.value], 2) });

const nested = (ids: Ids): readonly (readonly number[])[] => (ids instanceof tf.Tensor ? ids.arraySync() : ids);

/** B. Errors: nothing in the batch says it. */
function rowsOf({ input_ids, inputs_embeds, encoder_outputs, decoder_input_ids }: TextBatch): number {
  const given = input_ids ?? inputs_embeds ?? encoder_outputs?.last_hidden_state ?? decoder_input_ids;
  if (!given) throw new Error('give either input_ids or inputs_embeds');
  return given instanceof tf.Tensor ? (given.shape[0] as number) : given.length;
}

/** Tasks whose token types go on to the model. */
const HAS_TYPES: readonly (TaskType | null)[] = ['SEQ_CLS', 'TOKEN_CLS'];

function withoutTypes({ token_type_ids: types, ...batch }: TextBatch, task: TaskType | null): TextBatch {
  if (!types) return batch;
  if (HAS_TYPES.includes(task)) return { ...batch, token_type_ids: types };
  warn(`as in Python PEFT, token_type_ids are not passed on for ${task}`);
  return batch;
}
