/** One field of a method's config as the page asks for it; names are those of `adapter_config.json`. */
export type Option =
  | { name: string; kind: 'number'; value: number; min?: number; step?: number; hint?: string }
  | { name: string; kind: 'choice'; value: string; choices: Readonly<Record<string, unknown>>; hint?: string }
  | { name: string; kind: 'check'; value: boolean; hint?: string }
  | { name: string; kind: 'text'; value: string; hint?: string };

export interface Method {
  title: string;
  /** What it does, in a sentence. */
  note: string;
  /** A rate that suits it. */
  learning_rate: number;
  options: readonly Option[];
  /** What else its config needs, from the options' values. */
  complete?(config: Record<string, unknown>): Record<string, unknown>;
}

const count = (name: string, value: number, hint?: string): Option => ({
  name,
  kind: 'number',
  value,
  min: 1,
  step: 1,
  ...(hint !== undefined && { hint }),
});
const number = (name: string, value: number, step = 1): Option => ({ name, kind: 'number', value, min: 0, step });
const check = (name: string, hint?: string): Option => ({ name, kind: 'check', value: false, ...(hint !== undefined && { hint }) });
const targets: Option = {
  name: 'target_modules',
  kind: 'choice',
  value: 'all linear layers',
  choices: { 'all linear layers': 'all-linear', "the model's usual ones": null },
};

/** The seven methods, by `peft_type`. */
export const methods: Readonly<Record<string, Method>> = {
  LORA: {
    title: 'LoRA',
    note: 'Adds a product of two thin matrices to each chosen layer. Can be merged.',
    learning_rate: 3e-3,
    options: [
      count('r', 8, 'rank'),
      { name: 'lora_alpha', kind: 'number', value: 16, min: 1, step: 1, hint: 'scale = alpha / r' },
      targets,
      {
        name: 'init_lora_weights',
        kind: 'choice',
        value: 'B = 0',
        choices: { 'B = 0': true, gaussian: 'gaussian', orthogonal: 'orthogonal', PiSSA: 'pissa', OLoRA: 'olora' },
      },
      number('lora_dropout', 0, 0.05),
      check('use_rslora'),
      check('use_dora'),
    ],
  },
  ADALORA: {
    title: 'AdaLoRA',
    note: 'LoRA whose ranks move, while it trains, to the layers where they are needed. Can be merged.',
    learning_rate: 3e-3,
    options: [
      count('init_r', 12, 'rank at the start'),
      count('target_r', 8, 'mean rank at the end'),
      { name: 'lora_alpha', kind: 'number', value: 32, min: 1, step: 1 },
      number('tinit', 10),
      number('tfinal', 20),
      count('deltaT', 5),
      number('orth_reg_weight', 0.5, 0.1),
      targets,
    ],
  },
  IA3: {
    title: '(IA)³',
    note: 'Multiplies keys, values and feed-forward layers by learned vectors: the smallest of all. Can be merged.',
    learning_rate: 3e-2,
    options: [],
  },
  PROMPT_TUNING: {
    title: 'Prompt tuning',
    note: 'Learns tokens that stand before the text.',
    learning_rate: 3e-2,
    options: [
      count('num_virtual_tokens', 16),
      {
        name: 'prompt_tuning_init',
        kind: 'choice',
        value: 'from a text',
        choices: { 'from a text': 'TEXT', 'from tokens by chance': 'SAMPLE_VOCAB', random: 'RANDOM' },
      },
      { name: 'prompt_tuning_init_text', kind: 'text', value: 'A story of whales, ships and the sea.', hint: 'for a start from a text' },
    ],
    complete: ({ prompt_tuning_init_text: text, ...config }) =>
      config.prompt_tuning_init === 'TEXT'
        ? { ...config, prompt_tuning_init_text: text, tokenizer_name_or_path: 'the base model' }
        : config,
  },
  P_TUNING: {
    title: 'P-tuning',
    note: 'Learned tokens before the text, made by a small network.',
    learning_rate: 3e-3,
    options: [
      count('num_virtual_tokens', 16),
      { name: 'encoder_reparameterization_type', kind: 'choice', value: 'MLP', choices: { MLP: 'MLP', LSTM: 'LSTM' } },
      count('encoder_hidden_size', 128),
    ],
  },
  PREFIX_TUNING: {
    title: 'Prefix tuning',
    note: 'Learns keys and values that stand before those of every layer.',
    learning_rate: 1e-2,
    options: [
      count('num_virtual_tokens', 16),
      { name: 'init_weights', kind: 'choice', value: 'zero', choices: { zero: 'zero', random: null } },
      check('prefix_projection', 'by way of a network'),
    ],
  },
  ADAPTION_PROMPT: {
    title: 'LLaMA-Adapter',
    note: 'Learned prompts in the upper layers, let in by a gate that starts shut.',
    learning_rate: 1e-2,
    options: [count('adapter_len', 10, 'prompt positions'), count('adapter_layers', 3, 'layers from the top')],
  },
};

export const titleOf = (type: string): string => methods[type]?.title ?? type;
