export {
  type AnyCausalLM,
  type AnyImageClassifier,
  type AnyModel,
  type AnyPretrained,
  type AnyQuestionAnswering,
  type AnySemanticSegmenter,
  type AnySeq2SeqLM,
  type AnySequenceClassifier,
  type AnySpeechSeq2Seq,
  type AnyTokenClassifier,
  type AutoClass,
  AutoConfig,
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForImageClassification,
  AutoModelForQuestionAnswering,
  AutoModelForSemanticSegmentation,
  AutoModelForSeq2SeqLM,
  AutoModelForSequenceClassification,
  AutoModelForSpeechSeq2Seq,
  AutoModelForTokenClassification,
  autoClassFor,
} from './auto';
export { BartForConditionalGeneration, BartForSequenceClassification, BartModel } from './bart';
export { BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, BertModel } from './bert';
export {
  BloomForCausalLM,
  BloomForQuestionAnswering,
  BloomForSequenceClassification,
  BloomForTokenClassification,
  BloomModel,
} from './bloom';
export {
  type BartConfig,
  type BertConfig,
  type BloomConfig,
  type DebertaV2Config,
  type DistilBertConfig,
  type Gemma2Config,
  type Gpt2Config,
  type GptNeoxConfig,
  type LlamaConfig,
  normalizeConfig,
  type OptConfig,
  type Phi3Config,
  type RobertaConfig,
  type SegformerConfig,
  type T5Config,
  type VitConfig,
  type WhisperConfig,
} from './config';
export {
  DebertaV2ForQuestionAnswering,
  DebertaV2ForSequenceClassification,
  DebertaV2ForTokenClassification,
  DebertaV2Model,
} from './deberta-v2';
export {
  DistilBertForQuestionAnswering,
  DistilBertForSequenceClassification,
  DistilBertForTokenClassification,
  DistilBertModel,
} from './distilbert';
export { Gemma2ForCausalLM, Gemma2ForSequenceClassification, Gemma2ForTokenClassification, Gemma2Model } from './gemma2';
export type { GenerateOptions } from './generate/options';
export type { TranscribeOptions } from './generate/transcribe';
export {
  GPTNeoXForCausalLM,
  GPTNeoXForQuestionAnswering,
  GPTNeoXForSequenceClassification,
  GPTNeoXForTokenClassification,
  GPTNeoXModel,
} from './gpt_neox';
export { GPT2ForQuestionAnswering, GPT2ForSequenceClassification, GPT2ForTokenClassification, GPT2LMHeadModel, GPT2Model } from './gpt2';
export { AutoImageProcessor } from './image/AutoImageProcessor';
export type { Image, SegmentationMap } from './image/Image';
export type { ImageProcessorConfig } from './image/ImageProcessorConfig';
export { type ImageFeatures, type ImageProcessor, imageProcessor, type ProcessOptions } from './image/imageProcessor';
export {
  LlamaForCausalLM,
  LlamaForQuestionAnswering,
  LlamaForSequenceClassification,
  LlamaForTokenClassification,
  LlamaModel,
} from './llama';
export type { LoadModelOptions } from './load';
export { MistralForQuestionAnswering } from './mistral';
export { OPTForCausalLM, OPTForQuestionAnswering, OPTForSequenceClassification, OPTModel } from './opt';
export { Phi3ForCausalLM, Phi3ForSequenceClassification, Phi3ForTokenClassification, Phi3Model } from './phi3';
export { resizeTokenEmbeddings } from './resizeTokenEmbeddings';
export {
  RobertaForQuestionAnswering,
  RobertaForSequenceClassification,
  RobertaForTokenClassification,
  RobertaModel,
} from './roberta';
export type { SaveModelOptions } from './save';
export { SegformerForImageClassification, SegformerForSemanticSegmentation, SegformerModel } from './segformer';
export { PretrainedModel } from './shared/PretrainedModel';
export type { Pixels } from './shared/pixels';
export type { Features, SpeechBatch } from './shared/SpeechBatch';
export { TextModel } from './shared/TextModel';
export { type ImageBatch, VisionModel } from './shared/VisionModel';
export { AutoFeatureExtractor } from './speech/AutoFeatureExtractor';
export { AutoProcessor, type WhisperProcessor, whisperProcessor } from './speech/AutoProcessor';
export {
  type ExtractOptions,
  type Samples,
  type SpeechFeatures,
  type WhisperFeatureExtractor,
  whisperFeatureExtractor,
} from './speech/WhisperFeatureExtractor';
export { T5ForConditionalGeneration, T5Model } from './t5';
export { AutoTokenizer } from './tokenizer/AutoTokenizer';
export { makeTokenizer, type TokenizerFiles } from './tokenizer/makeTokenizer';
export type { SpeechPrefix } from './tokenizer/speechPrefix';
export type { BatchEncoding, ChatMessage, ChatOptions, Encoding, TextTokenizer, TokenizeOptions } from './tokenizer/TextTokenizer';
export { textStreamer } from './tokenizer/textStreamer';
export { ViTForImageClassification, ViTModel } from './vit';
export { WhisperForConditionalGeneration, WhisperModel } from './whisper';
