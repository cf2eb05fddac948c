// Each method with the settings and the learning rate that suit a small language model.

const table = {
  lora: ['@peft/lora', 'lora', 'loraConfig', () => ({ r: 8, lora_alpha: 16, target_modules: 'all-linear' }), 3e-3],
  adalora: [
    '@peft/adalora',
    'adaLora',
    'adaLoraConfig',
    (steps) => ({
      init_r: 12,
      target_r: 8,
      lora_alpha: 32,
      target_modules: 'all-linear',
      total_step: steps,
      tinit: Math.floor(steps / 10),
      tfinal: Math.floor(steps / 4),
    }),
    1e-2,
  ],
  ia3: ['@peft/ia3', 'ia3', 'ia3Config', () => ({}), 1e-2],
  'llama-adapter': ['@peft/llama-adapter', 'llamaAdapter', 'adaptionPromptConfig', () => ({ adapter_len: 10, adapter_layers: 3 }), 1e-2],
  prefix: ['@peft/prefix', 'prefixTuning', 'prefixTuningConfig', () => ({ num_virtual_tokens: 16, init_weights: 'zero' }), 3e-2],
  'prompt-tuning': [
    '@peft/prompt-tuning',
    'promptTuning',
    'promptTuningConfig',
    () => ({ num_virtual_tokens: 16, prompt_tuning_init: 'SAMPLE_VOCAB' }),
    3e-2,
  ],
  'p-tuning': ['@peft/p-tuning', 'pTuning', 'promptEncoderConfig', () => ({ num_virtual_tokens: 16, encoder_hidden_size: 128 }), 3e-3],
};

export const methodNames = Object.keys(table);

/** A method for a training of so many steps: `{ tuner, config, lr }`. */
export async function methodOf(name, steps) {
  const [packageName, tunerName, configName, settings, lr] = table[name];
  const { [tunerName]: tuner, [configName]: makeConfig } = await import(packageName);
  return { tuner, config: makeConfig({ task_type: 'CAUSAL_LM', ...settings(steps) }), lr };
}
