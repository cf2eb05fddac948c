import { type BaseModel, kind, type ModelConfig, type ModelOutput, Module, type SinkLocation, type TextBatch } from '@peft/core';
import { type SaveModelOptions, saveModel } from '../save';

const CLASS_PREFIX: Readonly<Record<string, string>> = {
  mistral: 'Mistral',
  qwen2: 'Qwen2',
  qwen3: 'Qwen3',
  mt5: 'MT5',
  xlm_roberta: 'XLMRoberta',
};

/** A pretrained model, whatever it reads. */
export abstract class PretrainedModel<Batch = TextBatch> extends Module implements BaseModel<Batch, ModelOutput> {
  static override readonly [kind]: string = 'PretrainedModel';
  readonly config: ModelConfig;
  /** Where it was loaded from. */
  name_or_path = '';
  /** What `generation_config.json` says, if there is one. */
  generation_config: Readonly<Record<string, unknown>> = {};

  constructor(config: ModelConfig) {
    super();
    this.config = config;
  }

  /** Tensors of the output are the caller's to dispose. */
  abstract forward(batch: Batch): ModelOutput;

  /** Its class in Python's library. */
  get auto_mapping(): { base_model_class: string; parent_library: string } {
    const type = this.config.model_type.replaceAll('-', '_');
    // Mistral, Qwen2 and Qwen3 are Llama's code here, mT5 is T5's and XLM-RoBERTa is RoBERTa's; in Python they have classes of their own.
    const own = CLASS_PREFIX[type];
    const name = (this.constructor as typeof PretrainedModel)[kind];
    return {
      base_model_class: own ? name.replace(/^(Llama|T5|Roberta)/, own) : name,
      parent_library: `transformers.models.${type}.modeling_${type}`,
    };
  }

  /** Writes `config.json` and `model.safetensors`. */
  savePretrained(where: SinkLocation, options?: SaveModelOptions): Promise<void> {
    return saveModel(this, where, options);
  }
}
