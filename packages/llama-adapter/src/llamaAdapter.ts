import { type Adapter, AdapterLayer, adaptLayers, type BaseModel, isA, NoMatchingModulesError, namedModules, type Tuner } from '@peft/core';
import { AdaptedAttention } from './AdaptedAttention';
import { isAttention } from './Attention';
import { type AdaptionPromptConfig, adaptionPromptFields, validateAdaptionPromptConfig } from './config';

/** The adapted layers by their names; adaption prompts cannot be merged. */
export interface AdaptionPrompts extends Adapter {
  readonly layers: Readonly<Record<string, AdaptedAttention>>;
}

export type LlamaAdapter = Tuner<AdaptionPromptConfig, BaseModel, AdaptionPrompts, Record<string, never>>;

/** The attention modules by `model_type`; Qwen2's are Llama's, though Python PEFT refuses it. */
const defaultTargets: Readonly<Record<string, string>> = { llama: 'self_attn', mistral: 'self_attn', qwen2: 'self_attn', gpt2: 'attn' };

/** The method LLaMA-Adapter; pass it where adapters are loaded. A config made by `adaptionPromptConfig` carries it. */
export const llamaAdapter: LlamaAdapter = {
  type: 'ADAPTION_PROMPT',
  fields: adaptionPromptFields,
  validate: validateAdaptionPromptConfig,
  resolve: (config, base) => ({ ...config, target_modules: config.target_modules ?? defaultTarget(base) }),
  attach: (base, config, name) => {
    // Merging is left out: prompts depend on the input.
    const { merge, unmerge, ...handle } = adaptLayers<AdaptedAttention>(base, name, {
      keys: topAttentions(base, config),
      wrap: (module, key) => {
        if (isAttention(module)) return new AdaptedAttention(module);
        throw new Error(`"${key}" is no attention that prompts can be put on; ${attentionsHere(base)}`);
      },
      add: (layer) => layer.add(name, config.adapter_len),
    });
    return handle;
  },
};

function defaultTarget(base: BaseModel): string {
  const type = base.config?.model_type ?? '';
  const target = Object.hasOwn(defaultTargets, type) ? defaultTargets[type] : undefined;
  if (target !== undefined) return target;
  const known = Object.keys(defaultTargets).join(', ');
  throw new Error(
    `adaption prompts are known for ${known}, not for model_type "${type}": name its attention modules in target_modules; ${attentionsHere(base)}`,
  );
}

/** Names of the last `adapter_layers` attention modules. */
function topAttentions(base: BaseModel, { target_modules: target, adapter_layers: count }: AdaptionPromptConfig): string[] {
  const keys = [...namedModules(base)].map(([key]) => key).filter((key) => key.endsWith(`.${target}`));
  if (keys.length === 0) throw new NoMatchingModulesError(`target_modules "${target}" matches nothing; ${attentionsHere(base)}`);
  if (keys.length < count)
    throw new Error(`adapter_layers is ${count}, but the model has ${keys.length} modules named "${target}": give at most ${keys.length}`);
  return keys.slice(-count);
}

function attentionsHere(base: BaseModel): string {
  const keys = [...namedModules(base)].flatMap(([key, module]) =>
    isA(module, AdapterLayer) || isAttention(module) ? [key.replace(/\.base_layer$/, '')] : [],
  );
  const names = new Set(keys.map((key) => key.split('.').at(-1)));
  return `attention modules here: ${[...names].join(', ') || 'none'}`;
}
