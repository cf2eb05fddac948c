export {
  type AutoPeftClass,
  AutoPeftModel,
  AutoPeftModelForCausalLM,
  AutoPeftModelForFeatureExtraction,
  AutoPeftModelForQuestionAnswering,
  AutoPeftModelForSeq2SeqLM,
  AutoPeftModelForSequenceClassification,
  AutoPeftModelForTokenClassification,
  type AutoPeftOptions,
} from './AutoPeftModel';
export { loadTuner } from './loadTuner';
