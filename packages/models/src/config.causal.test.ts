import { parameters } from '@peft/core';
import { describe, expect, it } from 'vitest';
import { AutoModelForCausalLM } from './auto';
import { normalizeConfig } from './config';
import { readFixture } from './fixtures/fixtures';

const defaults = await readFixture<Record<string, { parameters: number; config: Record<string, unknown> }>>('causal/defaults.json');

describe.each(Object.entries(defaults))('a config of %s that says nothing', (model_type, { config, parameters: count }) => {
  it('means what it means in Python', () => {
    const ours = normalizeConfig({ model_type });
    // Mistral's file leaves open what its code derives.
    const said = Object.entries(config).filter(([field, value]) => field in ours && !(field === 'head_dim' && value === null));
    expect(Object.fromEntries(said.map(([field]) => [field, ours[field]]))).toEqual(Object.fromEntries(said));
  });

  it('has as many parameters', async () => {
    const model = await AutoModelForCausalLM.fromConfig({ model_type });
    expect(parameters(model).reduce((total, { size }) => total + size, 0)).toBe(count);
  });
});

describe('the spellings of transformers 4 and 5 mean the same', () => {
  const phi = { short_factor: [1, 2], long_factor: [3, 4] };
  const small = { hidden_size: 16, num_attention_heads: 4, num_key_value_heads: 2 };
  it.each([
    [
      { model_type: 'gpt_neox', rotary_pct: 0.5, rotary_emb_base: 500, torch_dtype: 'float16' },
      { model_type: 'gpt_neox', rope_parameters: { rope_type: 'default', rope_theta: 500, partial_rotary_factor: 0.5 }, dtype: 'float16' },
    ],
    [
      { model_type: 'qwen3', rope_theta: 1e6 },
      { model_type: 'qwen3', rope_parameters: { rope_type: 'default', rope_theta: 1e6 } },
    ],
    [
      { model_type: 'gemma2', rope_theta: 5e4, rope_scaling: { rope_type: 'linear', factor: 2 } },
      { model_type: 'gemma2', rope_parameters: { rope_type: 'linear', rope_theta: 5e4, factor: 2 } },
    ],
    [
      { ...small, model_type: 'phi3', partial_rotary_factor: 1, rope_theta: 1e4, rope_scaling: { rope_type: 'longrope', ...phi } },
      { ...small, model_type: 'phi3', rope_parameters: { rope_type: 'longrope', rope_theta: 1e4, partial_rotary_factor: 1, ...phi } },
    ],
    [
      { model_type: 'bloom', hidden_size: 32, n_head: 4, n_layer: 3 },
      { model_type: 'bloom', n_embed: 32, num_attention_heads: 4, num_hidden_layers: 3 },
    ],
    [
      { model_type: 'gpt2', n_embd: 32, n_head: 4, n_layer: 3, n_positions: 64 },
      { model_type: 'gpt2', hidden_size: 32, num_attention_heads: 4, num_hidden_layers: 3, max_position_embeddings: 64 },
    ],
  ])('%j', (four, five) => {
    expect(normalizeConfig(five)).toEqual(normalizeConfig(four));
    expect(normalizeConfig(normalizeConfig(four))).toEqual(normalizeConfig(four));
  });
});

describe('errors say what cannot be', () => {
  it.each([
    [{ model_type: 'opt', hidden_size: 10, num_attention_heads: 4 }, 'hidden_size 10 is no multiple of 4 heads'],
    [{ model_type: 'opt', layer_norm_elementwise_affine: false }, 'layer_norm_elementwise_affine: false'],
    [{ model_type: 'bloom', n_embed: 10, n_head: 4 }, 'hidden_size 10 is no multiple of 4 heads'],
    [{ model_type: 'gpt_neox', hidden_size: 10, num_attention_heads: 4 }, 'hidden_size 10 is no multiple of 4 heads'],
    [{ model_type: 'gemma2', num_attention_heads: 6 }, '6 attention heads cannot share 4 key-value heads evenly'],
    [{ model_type: 'phi3', num_attention_heads: 6, num_key_value_heads: 4 }, '6 attention heads cannot share 4'],
    [{ model_type: 'phi3', rope_scaling: { type: 'su', short_factor: [1] } }, 'needs 48 numbers above 0 in short_factor, not [1]'],
    [{ model_type: 'qwen3', rope_scaling: { rope_type: 'yarn' } }, 'rope_scaling of type "yarn" is not known here'],
    [
      { model_type: 'qwen3', rope_scaling: { type: 'longrope' } },
      'needs original_max_position_embeddings in the config, or a number factor',
    ],
    [{ model_type: 'opt', ffn_dim: 0 }, 'ffn_dim must be a whole number from 1'],
  ])('%j', (config, message) => expect(() => normalizeConfig(config)).toThrow(message));
});
