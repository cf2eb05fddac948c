import { loadTuner } from '@peft/auto';
import { type AnyTuner, makeConfig, type TaskType, type Tuned } from '@peft/core';
import { UsageError } from './options';

/** What follows from the training that an adapter is for. */
interface Training {
  task: TaskType;
  /** Updates in all. */
  steps: number;
  /** Layers of the base model. */
  layers: number;
  /** Parts of the head that the adapter has to bring, beside those that its task says. */
  heads: readonly string[];
}

interface Method {
  readonly type: string;
  /** As in PEFT's guides. */
  readonly learning_rate: number;
  /** Settings that a method cannot do without and that nobody has to know at first. */
  settings(training: Pick<Training, 'steps' | 'layers'>): Record<string, unknown>;
}

const softPrompt = () => ({ num_virtual_tokens: 20 });

/** The methods by the names of their packages. */
const METHODS = {
  lora: { type: 'LORA', learning_rate: 1e-3, settings: () => ({}) },
  adalora: {
    type: 'ADALORA',
    learning_rate: 1e-3,
    // Ranks are cut after a tenth of the training, and for the last quarter of it they stay.
    settings: ({ steps }) => ({ total_step: steps, tinit: Math.floor(steps / 10), tfinal: Math.floor(steps / 4) }),
  },
  ia3: { type: 'IA3', learning_rate: 5e-3, settings: () => ({}) },
  'prompt-tuning': { type: 'PROMPT_TUNING', learning_rate: 3e-2, settings: softPrompt },
  'p-tuning': { type: 'P_TUNING', learning_rate: 1e-3, settings: softPrompt },
  prefix: { type: 'PREFIX_TUNING', learning_rate: 1e-2, settings: softPrompt },
  'llama-adapter': {
    type: 'ADAPTION_PROMPT',
    learning_rate: 9e-3,
    settings: ({ layers }) => ({ adapter_len: 10, adapter_layers: Math.max(1, layers - 2) }),
  },
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof METHODS;
export const METHOD_NAMES = Object.keys(METHODS) as MethodName[];

/** The rate that suits a method, where nobody says another. */
export const learningRateOf = (name: MethodName): number => METHODS[name].learning_rate;

/** Tokens that a method puts beside an example's. */
export function learntTokens(name: MethodName, given: Readonly<Record<string, unknown>>): number {
  const { num_virtual_tokens: count = 0 } = { ...(METHODS[name] as Method).settings({ steps: 0, layers: 0 }), ...given };
  return Number(count);
}

/** An adapter's config for a training. Errors: UsageError for settings that cannot be; a method that is not installed. */
export async function adapterConfig(name: MethodName, given: object, { task, heads, ...training }: Training): Promise<Tuned<AnyTuner>> {
  const { type, settings } = METHODS[name] as Method;
  const tuner = await loadTuner(type);
  try {
    const saved = heads.length > 0 && 'modules_to_save' in tuner.fields ? { modules_to_save: heads } : {};
    return makeConfig(tuner, { ...settings(training), ...saved, task_type: task, ...given });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Fields that follow from the training. */
const NOT_TO_BE_SET = ['peft_type', 'task_type', 'auto_mapping', 'peft_version', 'base_model_name_or_path', 'revision', 'inference_mode'];

/** The settings of a method with their defaults, for the help. */
export async function settingsHelp(name: MethodName): Promise<string> {
  const { fields } = await loadTuner(METHODS[name].type);
  const lines = Object.entries(fields as Record<string, { expects: string; default: unknown }>)
    .filter(([field]) => !NOT_TO_BE_SET.includes(field))
    .map(([field, { expects, default: fallback }]) => `  ${field}: ${expects} [${JSON.stringify(fallback)}]`);
  return `settings of ${name} for --set:\n${lines.join('\n')}`;
}
