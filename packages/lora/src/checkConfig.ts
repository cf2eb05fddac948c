import { warn } from '@peft/core';
import { type LoraConfig, loraFields } from './config';

/** Refuses settings that contradict each other. Errors: all contradictions at once. */
export function validateLoraConfig(config: LoraConfig): void {
  const { init_lora_weights: init, loftq_config: loftq } = config;
  const wrong: string[] = [];
  const refuse = (condition: boolean, problem: string) => condition && wrong.push(problem);
  const isOne = typeof config.target_modules === 'string';
  refuse(isOne && config.layers_to_transform !== null, 'layers_to_transform cannot be used when target_modules is one string');
  refuse(isOne && config.layers_pattern !== null, 'layers_pattern cannot be used when target_modules is one string');
  refuse(config.layers_pattern !== null && config.layers_to_transform === null, 'layers_pattern needs layers_to_transform, too');
  refuse(config.lora_dropout < 0 || config.lora_dropout >= 1, `lora_dropout must be at least 0 and below 1, not ${config.lora_dropout}`);
  refuse(init === 'loftq' && Object.keys(loftq ?? {}).length === 0, 'init_lora_weights "loftq" needs loftq_config');
  refuse(
    config.lora_bias && typeof init === 'string',
    `lora_bias works with init_lora_weights true or false only, not "${config.init_lora_weights}"`,
  );
  refuse(config.lora_bias && config.use_dora, 'lora_bias does not work with use_dora');
  refuse(config.use_dora && isSet(config.megatron_config), 'use_dora does not work with megatron_config');
  if (wrong.length > 0) throw new Error(`this LoRA config cannot be used: ${wrong.join('; ')}`);
}

const isSet = (settings: object | null) => settings !== null && Object.keys(settings).length > 0;

/** Fills in the settings of the start that is asked for, and warns about those of others, as Python PEFT does. */
export function completeLoraConfig(config: LoraConfig): LoraConfig {
  const { init_lora_weights: init } = config;
  const completed = { ...config };
  const ignored = (name: string, start: string) => warn(`${name} has no effect: init_lora_weights is not "${start}"`);
  if (init !== 'loftq' && isSet(config.loftq_config)) {
    ignored('loftq_config', 'loftq');
    completed.loftq_config = {};
  }
  for (const start of ['eva', 'corda'] as const) {
    const name = `${start}_config` as const;
    if (config[name] !== null && init !== start) ignored(name, start);
    if (config[name] === null && init === start) completed[name] = defaultsOf(name);
  }
  if (config.alora_invocation_tokens !== null && config.task_type !== 'CAUSAL_LM')
    warn(`alora_invocation_tokens is for the task CAUSAL_LM, and this config is for ${config.task_type}`);
  return completed;
}

function defaultsOf(name: 'eva_config' | 'corda_config'): Record<string, unknown> {
  const fields = loraFields[name].fields as Readonly<Record<string, { default: unknown }>>;
  return Object.fromEntries(Object.entries(fields).map(([field, { default: value }]) => [field, value]));
}

/** Fields that ask for what is not built here; they are read and written, but not attached. */
export function unsupported(config: LoraConfig): string[] {
  const init = config.init_lora_weights;
  const asks: Record<string, boolean> = {
    [`init_lora_weights: "${init}"`]: typeof init === 'string' && !/^(gaussian|pissa(_niter_\d+)?|olora|orthogonal)$/.test(init),
    megatron_config: config.megatron_config !== null,
    alora_invocation_tokens: config.alora_invocation_tokens !== null,
    arrow_config: config.arrow_config !== null,
    use_bdlora: config.use_bdlora !== null,
    velora_config: config.velora_config !== null,
    monteclora_config: config.monteclora_config !== null,
    kasa_config: config.kasa_config !== null,
    use_qalora: config.use_qalora,
    target_parameters: (config.target_parameters ?? []).length > 0,
    ensure_weight_tying: config.ensure_weight_tying,
  };
  return Object.keys(asks).filter((name) => asks[name]);
}
