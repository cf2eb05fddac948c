import { commonFields, type Fields, field, type PeftConfig } from '@peft/core';

/**
 * (IA)³'s settings, spelled as in `adapter_config.json`.
 *
 * Infused Adapter by Inhibiting and Amplifying Inner Activations (Liu et al. 2022, https://arxiv.org/abs/2205.05638): one
 * trained vector a layer multiplies the layer's output, or in feed-forward layers its input.
 */
export interface IA3Config extends PeftConfig {
  peft_type: 'IA3';
  /** Names or name endings of the layers to scale, a regular expression for whole names, or `"all-linear"`. @default by model_type */
  target_modules: string | string[] | null;
  /** What target_modules takes in by mistake, in the same forms. @default null */
  exclude_modules: string | string[] | null;
  /** Which of the targets have their input scaled. @default by model_type */
  feedforward_modules: string | string[] | null;
  /** Whether weights are stored [in, out]; set from the layers found. @default false */
  fan_in_fan_out: boolean;
  /** Modules that are trained as a whole and saved with the adapter. @default null */
  modules_to_save: string[] | null;
  /** true: vectors of ones, so that nothing changes at first; false: N(0, 1). @default true */
  init_ia3_weights: boolean;
}

const { boolean, either, list, nullable, set, string } = field;
const names = nullable(either(string(''), set(string('')))) as never;

export const ia3Fields: Fields<IA3Config> = {
  ...commonFields('IA3'),
  target_modules: names,
  exclude_modules: names,
  feedforward_modules: names,
  fan_in_fan_out: boolean(false),
  modules_to_save: nullable(list(string(''))),
  init_ia3_weights: boolean(true),
};

/** Errors: feed-forward modules that are no targets. */
export function validateIa3Config({ target_modules: targets, feedforward_modules: feedforward }: IA3Config): void {
  if (!Array.isArray(targets) || !Array.isArray(feedforward)) return;
  const extra = feedforward.filter((name) => !targets.includes(name));
  if (extra.length > 0) throw new Error(`feedforward_modules must be among target_modules, and ${extra.join(', ')} is not`);
}
