import { commonFields, type Fields, field, type PeftConfig } from '@peft/core';

/**
 * NewMethod's settings, spelled as in `adapter_config.json`.
 *
 * The output of a layer is multiplied by one trained number. (Say here what your method does, and name its paper.)
 */
export interface NewMethodConfig extends PeftConfig {
  peft_type: 'NEW_METHOD';
  /** Names or name endings of the layers to adapt, a regular expression for whole names, or `"all-linear"`. @default "all-linear" */
  target_modules: string | string[];
  /** Modules that are trained as a whole and saved with the adapter. @default null */
  modules_to_save: string[] | null;
  /** What every scale starts from. @default 1 */
  init_scale: number;
}

const { either, float, list, nullable, string } = field;

export const newMethodFields: Fields<NewMethodConfig> = {
  ...commonFields('NEW_METHOD'),
  target_modules: either(string('all-linear'), list(string(''))),
  modules_to_save: nullable(list(string(''))),
  init_scale: float(1),
};
