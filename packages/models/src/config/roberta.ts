import { type BertConfig, bert } from './bert';
import type { ConfigRules } from './ConfigRules';

/** RoBERTa's settings, with every default filled in. */
export interface RobertaConfig extends BertConfig {
  /** Also the number of the position that padding has. */
  pad_token_id: number;
}

const common: ConfigRules = {
  defaults: { ...bert.defaults, pad_token_id: 1, bos_token_id: 0, eos_token_id: 2, position_embedding_type: 'absolute' },
  complete(config, raw) {
    bert.complete?.(config, raw);
    const { pad_token_id: padding, position_embedding_type: kind } = config;
    if (typeof padding !== 'number')
      throw new Error('positions are counted from the padding token: pad_token_id must be a number, and it is null');
    if (kind !== 'absolute') throw new Error(`position_embedding_type ${JSON.stringify(kind)} is not known here; "absolute" is`);
  },
};

export const roberta: ConfigRules = { ...common, defaults: { ...common.defaults, vocab_size: 50265 } };

export const xlmRoberta: ConfigRules = common;
