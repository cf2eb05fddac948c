/** What a model with an adapter is for; the values are those of `adapter_config.json`. */
export const TaskType = {
  SEQ_CLS: 'SEQ_CLS',
  SEQ_2_SEQ_LM: 'SEQ_2_SEQ_LM',
  CAUSAL_LM: 'CAUSAL_LM',
  TOKEN_CLS: 'TOKEN_CLS',
  QUESTION_ANS: 'QUESTION_ANS',
  FEATURE_EXTRACTION: 'FEATURE_EXTRACTION',
} as const;

export type TaskType = (typeof TaskType)[keyof typeof TaskType];
