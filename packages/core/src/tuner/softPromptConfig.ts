import type { Module } from '../module/Module';
import type { BaseModel, ModelConfig, ModelOutput, TextBatch } from './BaseModel';
import { custom, type Fields, list, nullable, string } from './fields';
import { commonFields, type PeftConfig } from './PeftConfig';

/** The fields of methods that learn tokens and put them in; those that are null follow from the model. */
export interface SoftPromptConfig extends PeftConfig {
  /** Number of learned tokens; must be given. */
  num_virtual_tokens: number;
  /** Width of a learned token. @default from the model */
  token_dim: number | null;
  /** 2 for encoder–decoder models, else 1. @default by task_type */
  num_transformer_submodules: number | null;
  /** @default from the model */
  num_attention_heads: number | null;
  /** @default from the model */
  num_layers: number | null;
  modules_to_save: string[] | null;
}

/** What such methods need of a model: it reads tokens and has vectors for them. */
export interface SoftPromptBase extends BaseModel<TextBatch, ModelOutput> {
  readonly config: ModelConfig;
  readonly main_input_name?: 'input_ids';
  inputEmbeddings(): Module;
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;
const count = custom<number>(1, 'a whole number above 0', isCount);

/** The table of the fields above, to be spread into a method's own. */
export const softPromptFields = <Type extends string>(type: Type) =>
  ({
    ...commonFields(type),
    // null as in Python PEFT's files; a config that is used must have a number.
    num_virtual_tokens: { ...nullable(count), default: null as never },
    token_dim: nullable(count),
    num_transformer_submodules: nullable(count),
    num_attention_heads: nullable(count),
    num_layers: nullable(count),
    modules_to_save: nullable(list(string(''))),
  }) satisfies Fields<SoftPromptConfig>;

/** Errors: what must be given and is not, all at once. */
export function checkSoftPrompt({ peft_type, num_virtual_tokens, task_type }: SoftPromptConfig): void {
  const missing = [
    ...(isCount(num_virtual_tokens) ? [] : ['num_virtual_tokens must be given, a whole number above 0']),
    ...(task_type === null ? ["task_type must be given, e.g. 'CAUSAL_LM': it says where learned tokens go"] : []),
  ];
  if (missing.length > 0) throw new Error(`this ${peft_type} config cannot be used: ${missing.join('; ')}`);
}

/** What model families call their sizes, in the order in which they are looked up. */
const NAMES = {
  num_layers: ['num_hidden_layers', 'num_layers', 'n_layer', 'n_layers'],
  // Where embeddings are projected they have a width of their own, which Python PEFT does not read.
  token_dim: ['word_embed_proj_dim', 'hidden_size', 'n_embd', 'd_model', 'dim'],
  num_attention_heads: ['num_attention_heads', 'n_head', 'num_heads', 'encoder_attention_heads', 'n_heads'],
} as const;

type Sizes = keyof typeof NAMES | 'num_transformer_submodules';

/**
 * Fills in the sizes that are null from the model's config.
 * Errors: a model without token embeddings, a size that its config does not say, `num_virtual_tokens` or `task_type` missing.
 */
export function resolveSoftPrompt<Config extends SoftPromptConfig>(config: Config, base: SoftPromptBase): Config & Record<Sizes, number> {
  checkSoftPrompt(config);
  if (typeof base.inputEmbeddings !== 'function' || !base.config)
    throw new Error(`${config.peft_type} adapters are made of tokens: this model has no config or no inputEmbeddings()`);
  const { main_input_name: read = 'input_ids' }: BaseModel = base;
  if (read !== 'input_ids')
    throw new Error(
      `${config.peft_type} adapters stand beside tokens that are read, and this model reads ${read}: adapt its layers instead`,
    );
  const { text_config: inner } = base.config;
  const sizes = typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : base.config;
  const size = (field: keyof typeof NAMES): number => {
    const names: readonly string[] = NAMES[field];
    const found = config[field] ?? names.map((name) => sizes[name]).find((value) => typeof value === 'number');
    if (found === undefined)
      throw new Error(`the model's config does not say ${field} (looked for ${names.join(', ')}): give it in the adapter's config`);
    return found as number;
  };
  return {
    ...config,
    num_layers: size('num_layers'),
    token_dim: size('token_dim'),
    num_attention_heads: size('num_attention_heads'),
    num_transformer_submodules: config.num_transformer_submodules ?? (config.task_type === 'SEQ_2_SEQ_LM' ? 2 : 1),
  };
}
