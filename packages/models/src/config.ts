import type { ModelConfig } from '@peft/core';
import { bart } from './config/bart';
import { bert } from './config/bert';
import { bloom } from './config/bloom';
import type { ConfigRules } from './config/ConfigRules';
import { debertaV2 } from './config/deberta-v2';
import { distilbert } from './config/distilbert';
import { gemma2 } from './config/gemma2';
import { gpt_neox } from './config/gpt_neox';
import { gpt2 } from './config/gpt2';
import { llama, mistral, qwen2, qwen3 } from './config/llama';
import { opt } from './config/opt';
import { phi3 } from './config/phi3';
import { roberta, xlmRoberta } from './config/roberta';
import { segformer } from './config/segformer';
import { mt5, t5 } from './config/t5';
import { vit } from './config/vit';
import { whisper } from './config/whisper';

export type { BartConfig } from './config/bart';
export type { BertConfig } from './config/bert';
export type { BloomConfig } from './config/bloom';
export type { DebertaV2Config } from './config/deberta-v2';
export type { DistilBertConfig } from './config/distilbert';
export type { Gemma2Config } from './config/gemma2';
export type { GptNeoxConfig } from './config/gpt_neox';
export type { Gpt2Config } from './config/gpt2';
export type { LlamaConfig } from './config/llama';
export type { OptConfig } from './config/opt';
export type { Phi3Config } from './config/phi3';
export type { RobertaConfig } from './config/roberta';
export type { SegformerConfig } from './config/segformer';
export type { T5Config } from './config/t5';
export type { VitConfig } from './config/vit';
export type { WhisperConfig } from './config/whisper';

/** By `model_type`. */
const RULES: Readonly<Record<string, ConfigRules>> = {
  bart,
  bert,
  bloom,
  'deberta-v2': debertaV2,
  distilbert,
  gemma2,
  gpt_neox,
  gpt2,
  llama,
  mistral,
  mt5,
  opt,
  phi3,
  qwen2,
  qwen3,
  roberta,
  segformer,
  t5,
  vit,
  whisper,
  'xlm-roberta': xlmRoberta,
};

const LIMIT = 1 << 24;

/**
 * A config as models read it: defaults filled in, the spellings of transformers 4 and 5 brought together, values checked.
 * Errors: every field that cannot be, at once; a `model_type` without an architecture here.
 */
export function normalizeConfig(raw: Readonly<Record<string, unknown>>, overrides: Readonly<Record<string, unknown>> = {}): ModelConfig {
  const type = raw.model_type;
  const rules = typeof type === 'string' && Object.hasOwn(RULES, type) ? RULES[type] : undefined;
  if (!rules) throw new Error(`model_type ${JSON.stringify(type)} is not known here; these are: ${Object.keys(RULES).join(', ')}`);
  const { defaults } = rules;
  const config: Record<string, unknown> = { ...defaults, ...raw, ...overrides };
  for (const [field, value] of Object.entries(config)) if (value === undefined) config[field] = defaults[field];
  for (const [alias, field] of Object.entries(rules.aliases ?? {})) {
    config[field] = config[alias] ?? config[field];
    delete config[alias];
  }
  if (config.dtype === undefined && config.torch_dtype !== undefined) config.dtype = config.torch_dtype;
  delete config.torch_dtype;
  joinRope(config, raw);
  check(config, defaults);
  rules.complete?.(config, raw);
  Object.assign(config, namedLabels(overrides));
  return config as unknown as ModelConfig;
}

/** What follows for the other fields of classes from those that are given. Errors: they do not go together. */
function namedLabels({ num_labels, id2label, label2id }: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const names = (id2label ?? (label2id && inverse(label2id))) as Readonly<Record<string, string>> | undefined;
  const count = names ? Object.keys(names).length : num_labels;
  if (typeof count !== 'number') return {};
  if (num_labels !== undefined && num_labels !== count)
    throw new Error(`num_labels is ${num_labels}, but ${count} labels have names: leave num_labels out, or name as many`);
  const given = names ?? Object.fromEntries(Array.from({ length: count }, (_, i) => [String(i), `LABEL_${i}`]));
  const numbers = Object.entries(inverse(given)).map(([name, id]) => [name, Number(id)]);
  return { num_labels: count, id2label: given, label2id: label2id ?? Object.fromEntries(numbers) };
}

const inverse = (names: object) => Object.fromEntries(Object.entries(names).map(([key, value]) => [String(value), key]));

/** transformers 5 keeps the base and the scaling of rotary positions in one object. */
function joinRope(config: Record<string, unknown>, raw: Readonly<Record<string, unknown>>): void {
  const rope = config.rope_parameters;
  delete config.rope_parameters;
  if (typeof rope !== 'object' || rope === null) return;
  const { rope_theta, partial_rotary_factor, ...scaling } = rope as Record<string, unknown>;
  if (raw.rope_theta === undefined && rope_theta !== undefined) config.rope_theta = rope_theta;
  if (raw.partial_rotary_factor === undefined && partial_rotary_factor !== undefined) config.partial_rotary_factor = partial_rotary_factor;
  const plain = scaling.rope_type === undefined || scaling.rope_type === 'default';
  if (config.rope_scaling === null) config.rope_scaling = plain ? null : scaling;
}

const MAY_BE_NULL = /_token_id$|_softcapping$|^(num_key_value_heads|head_dim|sliding_window)$/;

/** Every field that has a default must be of its kind, and sizes must be sizes. */
function check(config: Readonly<Record<string, unknown>>, defaults: Readonly<Record<string, unknown>>): void {
  const wrong: string[] = [];
  for (const [field, fallback] of Object.entries(defaults)) {
    const value = config[field];
    if (value === null && (fallback === null || typeof fallback === 'boolean' || MAY_BE_NULL.test(field))) continue;
    if (Array.isArray(value) && field.endsWith('_token_id')) continue;
    if (Array.isArray(fallback)) {
      const isOne = (entry: unknown) => Number.isFinite(entry) && (entry as number) > 0 && (entry as number) <= LIMIT;
      const whole = !field.startsWith('mlp_');
      if (!Array.isArray(value) || !value.every((entry) => isOne(entry) && (!whole || Number.isInteger(entry))))
        wrong.push(`${field} must be a list of ${whole ? 'whole ' : ''}numbers above 0, not ${JSON.stringify(value)}`);
      continue;
    }
    const isSize =
      /^(vocab_size|hidden_size|intermediate_size|num_|n_|head_dim|((original_)?max|max_(source|target))_position|type_vocab|ffn_dim|word_embed|dim$|hidden_dim$|d_(model|kv|ff)|relative_attention_|(en|de)coder_(layers|ffn|attention)|(image|patch|pooler_output)_size)/.test(
        field,
      );
    if (isSize) {
      const least = fallback === 0 ? 0 : 1;
      const isOne = (size: unknown) => Number.isSafeInteger(size) && (size as number) >= least && (size as number) <= LIMIT;
      const isPair = /^(image|patch)_size$/.test(field) && Array.isArray(value) && value.length === 2 && value.every(isOne);
      if (!isOne(value) && !isPair) wrong.push(`${field} must be a whole number from ${least} to ${LIMIT}, not ${JSON.stringify(value)}`);
    } else if (fallback !== null && typeof value !== typeof fallback)
      wrong.push(`${field} must be a ${typeof fallback}, not ${JSON.stringify(value)}`);
    else if (typeof value === 'number' && !Number.isFinite(value)) wrong.push(`${field} must be a finite number`);
  }
  if (wrong.length > 0) throw new Error(`this config cannot be used: ${wrong.join('; ')}`);
}
