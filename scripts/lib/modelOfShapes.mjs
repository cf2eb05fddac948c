import { loadTuner } from '@peft/auto';
import { getPeftModel, makeConfig } from '@peft/core';
import { autoClassFor } from '@peft/models';

/** The head that a task asks for, as the end of a class's name in Python. */
const HEADS = {
  CAUSAL_LM: 'ForCausalLM',
  FEATURE_EXTRACTION: 'Model',
  QUESTION_ANS: 'ForQuestionAnswering',
  SEQ_2_SEQ_LM: 'ForConditionalGeneration',
  SEQ_CLS: 'ForSequenceClassification',
  TOKEN_CLS: 'ForTokenClassification',
};

/**
 * A model with an adapter, by the contents of their config files: of shapes alone, to be counted.
 * Errors: a method or an architecture that is not there; fields that cannot be.
 */
export async function modelOfShapes(config, adapter) {
  const peftConfig = makeConfig(await loadTuner(adapter.peft_type), adapter, { fromFile: true });
  const base = await autoClassFor(classOf(config, peftConfig), config.model_type).fromConfig(config);
  return getPeftModel(base, { ...peftConfig, inference_mode: false });
}

/** The model's own class, unless the adapter is for another task. */
function classOf({ architectures }, { task_type: task }) {
  const [own] = architectures ?? [];
  const head = HEADS[task];
  // GPT2LMHeadModel ends as a body does, too.
  const isOwn = head === undefined || (head !== HEADS.FEATURE_EXTRACTION && own?.endsWith(head));
  return isOwn ? (own ?? 'Model') : head;
}
