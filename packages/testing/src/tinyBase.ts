import { initialize, manualSeed } from '@peft/core';
import type { MethodUnderTest } from './conformance/conformance';
import type { ReferenceModel } from './reference/runCase';

const sizes = {
  vocab_size: 61,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  initializer_range: 0.2,
};
const llama = { ...sizes, num_key_value_heads: 2, pad_token_id: 0 };

/** Configs of models so small that every gradient can be checked, without dropout. */
export const tinyConfigs = {
  llama: { model_type: 'llama', ...llama },
  qwen2: { model_type: 'qwen2', ...llama },
  gpt2: {
    model_type: 'gpt2',
    vocab_size: 61,
    n_embd: 16,
    n_layer: 2,
    n_head: 4,
    n_positions: 32,
    resid_pdrop: 0,
    embd_pdrop: 0,
    attn_pdrop: 0,
    initializer_range: 0.2,
  },
  t5: {
    model_type: 't5',
    vocab_size: 61,
    d_model: 16,
    d_kv: 4,
    d_ff: 24,
    // Finite differences do not agree with gradients across ReLU's kink.
    feed_forward_proj: 'gated-gelu',
    num_layers: 2,
    num_heads: 4,
    dropout_rate: 0,
    initializer_factor: 0.5,
    pad_token_id: 0,
    decoder_start_token_id: 0,
    eos_token_id: 1,
  },
  bert: { model_type: 'bert', ...sizes, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0, num_labels: 3 },
};

const input_ids = [
  [5, 9, 31, 7, 22, 58],
  [3, 3, 40, 12, 0, 0],
];
/** Two rows of tokens for these models, one of them padded. */
export const tinyText = { input_ids, attention_mask: input_ids.map((row) => row.map((id) => (id === 0 ? 0 : 1))) };
/** Its tokens as labels, padding left out. */
export const tinyLabels = input_ids.map((row) => row.map((id) => (id === 0 ? -100 : id)));

/**
 * A base to test a method on, of `tinyConfigs`, and `tinyText` as a batch for it: of `bert` with a class for each row, else with
 * `tinyLabels`.
 * @param Auto makes the model of its config, as `AutoModelForCausalLM` does
 */
export function tinyBase(
  Auto: { fromConfig(config: never): Promise<unknown> },
  architecture: keyof typeof tinyConfigs,
): Pick<MethodUnderTest, 'createModel' | 'createShapes' | 'batch'> {
  const createShapes = async () => (await Auto.fromConfig(tinyConfigs[architecture] as never)) as ReferenceModel;
  return {
    createShapes,
    async createModel() {
      const model = await createShapes();
      manualSeed(3);
      initialize(model);
      return model;
    },
    batch: { ...tinyText, labels: architecture === 'bert' ? [2, 0] : tinyLabels },
  };
}
