import { type HubOptions, type Location, openSource, readJson } from '@peft/core';
import type * as Bart from './bart';
import type * as Bert from './bert';
import type * as Bloom from './bloom';
import { normalizeConfig } from './config';
import type * as DebertaV2 from './deberta-v2';
import type * as DistilBert from './distilbert';
import type * as Gemma2 from './gemma2';
import type * as GptNeox from './gpt_neox';
import type * as Gpt2 from './gpt2';
import type * as Llama from './llama';
import { type Architecture, type LoadModelOptions, loadModel } from './load';
import type * as Mistral from './mistral';
import type * as Opt from './opt';
import type * as Phi3 from './phi3';
import type * as Roberta from './roberta';
import type * as Segformer from './segformer';
import type { PretrainedModel } from './shared/PretrainedModel';
import type { TextModel } from './shared/TextModel';
import type { VisionModel } from './shared/VisionModel';
import type * as T5 from './t5';
import type * as Vit from './vit';
import type * as Whisper from './whisper';

/** Makes models of one task, whatever their architecture; only the needed one's code is loaded. */
export interface AutoClass<Model extends PretrainedModel<never>> {
  /**
   * Loads a pretrained model from a folder, a hub repository or files in memory.
   * Errors: a `model_type` that has no such class here; weights that do not fit, all at once.
   */
  fromPretrained(where: Location, options?: LoadModelOptions): Promise<Model>;
  /** A model of shapes alone, for counting and planning; `initialize(model)` gives it random weights. */
  fromConfig(config: Readonly<Record<string, unknown>>, overrides?: Readonly<Record<string, unknown>>): Promise<Model>;
  /** What it has classes for. */
  readonly modelTypes: readonly string[];
}

type Classes<Model extends PretrainedModel<never>> = Readonly<Record<string, () => Promise<Architecture<Model>>>>;

/** @param classes asked for only when they are needed, so that bundles leave out auto classes that are not used */
function autoClass<Model extends PretrainedModel<never>>(name: string, classes: () => Classes<Model>): AutoClass<Model> {
  const architectureFor = (modelType: string): Promise<Architecture<Model>> => {
    const all = classes();
    const found = Object.hasOwn(all, modelType) ? all[modelType] : undefined;
    if (!found) throw new Error(`${name} has no class for model_type "${modelType}"; it has for ${Object.keys(all).join(', ')}`);
    return found();
  };
  return {
    get modelTypes() {
      return Object.keys(classes());
    },
    fromPretrained: (where, options = {}) => loadModel(where, architectureFor, options),
    async fromConfig(config, overrides = {}) {
      const whole = normalizeConfig(config, overrides);
      return new (await architectureFor(whole.model_type))(whole as never);
    },
  };
}

const llama = () => import('./llama');
const gpt2 = () => import('./gpt2');
const bert = () => import('./bert');
const mistral = () => import('./mistral');
const t5 = () => import('./t5');
const bart = () => import('./bart');
const opt = () => import('./opt');
const bloom = () => import('./bloom');
const gptNeox = () => import('./gpt_neox');
const gemma2 = () => import('./gemma2');
const phi3 = () => import('./phi3');
const roberta = () => import('./roberta');
const debertaV2 = () => import('./deberta-v2');
const distilbert = () => import('./distilbert');
const vit = () => import('./vit');
const segformer = () => import('./segformer');
const whisper = () => import('./whisper');

/** Mistral, Qwen2 and Qwen3 are Llama with other settings. */
const likeLlama = <Model extends PretrainedModel<never>>(pick: (file: typeof Llama) => Architecture<Model>) => {
  const load = async () => pick(await llama());
  return { llama: load, mistral: load, qwen2: load, qwen3: load };
};

/** XLM-RoBERTa is RoBERTa with another vocabulary. */
const likeRoberta = <Model extends PretrainedModel<never>>(pick: (file: typeof Roberta) => Architecture<Model>) => {
  const load = async () => pick(await roberta());
  return { roberta: load, 'xlm-roberta': load };
};

export type AnyModel =
  | Llama.LlamaModel
  | Gpt2.GPT2Model
  | Opt.OPTModel
  | Bloom.BloomModel
  | GptNeox.GPTNeoXModel
  | Gemma2.Gemma2Model
  | Phi3.Phi3Model
  | Bert.BertModel
  | Roberta.RobertaModel
  | DistilBert.DistilBertModel
  | DebertaV2.DebertaV2Model
  | T5.T5Model
  | Bart.BartModel
  | Vit.ViTModel
  | Segformer.SegformerModel
  | Whisper.WhisperModel;
export type AnyCausalLM =
  | Llama.LlamaForCausalLM
  | Gpt2.GPT2LMHeadModel
  | Opt.OPTForCausalLM
  | Bloom.BloomForCausalLM
  | GptNeox.GPTNeoXForCausalLM
  | Gemma2.Gemma2ForCausalLM
  | Phi3.Phi3ForCausalLM;
export type AnySeq2SeqLM = T5.T5ForConditionalGeneration | Bart.BartForConditionalGeneration;
export type AnySpeechSeq2Seq = Whisper.WhisperForConditionalGeneration;
export type AnySequenceClassifier =
  | Llama.LlamaForSequenceClassification
  | Gpt2.GPT2ForSequenceClassification
  | Opt.OPTForSequenceClassification
  | Bloom.BloomForSequenceClassification
  | GptNeox.GPTNeoXForSequenceClassification
  | Gemma2.Gemma2ForSequenceClassification
  | Phi3.Phi3ForSequenceClassification
  | Bert.BertForSequenceClassification
  | Roberta.RobertaForSequenceClassification
  | DistilBert.DistilBertForSequenceClassification
  | DebertaV2.DebertaV2ForSequenceClassification
  | Bart.BartForSequenceClassification;
export type AnyTokenClassifier =
  | Llama.LlamaForTokenClassification
  | Gpt2.GPT2ForTokenClassification
  | Bloom.BloomForTokenClassification
  | GptNeox.GPTNeoXForTokenClassification
  | Gemma2.Gemma2ForTokenClassification
  | Phi3.Phi3ForTokenClassification
  | Bert.BertForTokenClassification
  | Roberta.RobertaForTokenClassification
  | DistilBert.DistilBertForTokenClassification
  | DebertaV2.DebertaV2ForTokenClassification;
export type AnyQuestionAnswering =
  | Llama.LlamaForQuestionAnswering
  | Mistral.MistralForQuestionAnswering
  | Gpt2.GPT2ForQuestionAnswering
  | Opt.OPTForQuestionAnswering
  | Bloom.BloomForQuestionAnswering
  | GptNeox.GPTNeoXForQuestionAnswering
  | Bert.BertForQuestionAnswering
  | Roberta.RobertaForQuestionAnswering
  | DistilBert.DistilBertForQuestionAnswering
  | DebertaV2.DebertaV2ForQuestionAnswering;
/** A model of any class here. */
export type AnyPretrained = TextModel | VisionModel | Whisper.WhisperModel | AnySpeechSeq2Seq;
export type AnyImageClassifier = Vit.ViTForImageClassification | Segformer.SegformerForImageClassification;
export type AnySemanticSegmenter = Segformer.SegformerForSemanticSegmentation;

/** The body of a model: hidden states. */
export const AutoModel: AutoClass<AnyModel> = /* @__PURE__ */ autoClass<AnyModel>('AutoModel', () => ({
  ...likeLlama((file) => file.LlamaModel),
  gpt2: async () => (await gpt2()).GPT2Model,
  opt: async () => (await opt()).OPTModel,
  bloom: async () => (await bloom()).BloomModel,
  gpt_neox: async () => (await gptNeox()).GPTNeoXModel,
  gemma2: async () => (await gemma2()).Gemma2Model,
  phi3: async () => (await phi3()).Phi3Model,
  bert: async () => (await bert()).BertModel,
  ...likeRoberta((file) => file.RobertaModel),
  distilbert: async () => (await distilbert()).DistilBertModel,
  'deberta-v2': async () => (await debertaV2()).DebertaV2Model,
  t5: async () => (await t5()).T5Model,
  mt5: async () => (await t5()).T5Model,
  bart: async () => (await bart()).BartModel,
  vit: async () => (await vit()).ViTModel,
  segformer: async () => (await segformer()).SegformerModel,
  whisper: async () => (await whisper()).WhisperModel,
}));

/** Predicts the next token. */
export const AutoModelForCausalLM: AutoClass<AnyCausalLM> = /* @__PURE__ */ autoClass<AnyCausalLM>('AutoModelForCausalLM', () => ({
  ...likeLlama((file) => file.LlamaForCausalLM),
  gpt2: async () => (await gpt2()).GPT2LMHeadModel,
  opt: async () => (await opt()).OPTForCausalLM,
  bloom: async () => (await bloom()).BloomForCausalLM,
  gpt_neox: async () => (await gptNeox()).GPTNeoXForCausalLM,
  gemma2: async () => (await gemma2()).Gemma2ForCausalLM,
  phi3: async () => (await phi3()).Phi3ForCausalLM,
}));

/** Makes one text of another. */
export const AutoModelForSeq2SeqLM: AutoClass<AnySeq2SeqLM> = /* @__PURE__ */ autoClass<AnySeq2SeqLM>('AutoModelForSeq2SeqLM', () => ({
  t5: async () => (await t5()).T5ForConditionalGeneration,
  mt5: async () => (await t5()).T5ForConditionalGeneration,
  bart: async () => (await bart()).BartForConditionalGeneration,
}));

/** Writes down speech. */
export const AutoModelForSpeechSeq2Seq: AutoClass<AnySpeechSeq2Seq> = /* @__PURE__ */ autoClass<AnySpeechSeq2Seq>(
  'AutoModelForSpeechSeq2Seq',
  () => ({
    whisper: async () => (await whisper()).WhisperForConditionalGeneration,
  }),
);

/** Puts a text into a class. */
export const AutoModelForSequenceClassification: AutoClass<AnySequenceClassifier> = /* @__PURE__ */ autoClass<AnySequenceClassifier>(
  'AutoModelForSequenceClassification',
  () => ({
    ...likeLlama((file) => file.LlamaForSequenceClassification),
    gpt2: async () => (await gpt2()).GPT2ForSequenceClassification,
    opt: async () => (await opt()).OPTForSequenceClassification,
    bloom: async () => (await bloom()).BloomForSequenceClassification,
    gpt_neox: async () => (await gptNeox()).GPTNeoXForSequenceClassification,
    gemma2: async () => (await gemma2()).Gemma2ForSequenceClassification,
    phi3: async () => (await phi3()).Phi3ForSequenceClassification,
    bert: async () => (await bert()).BertForSequenceClassification,
    ...likeRoberta((file) => file.RobertaForSequenceClassification),
    distilbert: async () => (await distilbert()).DistilBertForSequenceClassification,
    'deberta-v2': async () => (await debertaV2()).DebertaV2ForSequenceClassification,
    bart: async () => (await bart()).BartForSequenceClassification,
  }),
);

/** Puts each token into a class. */
export const AutoModelForTokenClassification: AutoClass<AnyTokenClassifier> = /* @__PURE__ */ autoClass<AnyTokenClassifier>(
  'AutoModelForTokenClassification',
  () => ({
    ...likeLlama((file) => file.LlamaForTokenClassification),
    gpt2: async () => (await gpt2()).GPT2ForTokenClassification,
    bloom: async () => (await bloom()).BloomForTokenClassification,
    gpt_neox: async () => (await gptNeox()).GPTNeoXForTokenClassification,
    gemma2: async () => (await gemma2()).Gemma2ForTokenClassification,
    phi3: async () => (await phi3()).Phi3ForTokenClassification,
    bert: async () => (await bert()).BertForTokenClassification,
    ...likeRoberta((file) => file.RobertaForTokenClassification),
    distilbert: async () => (await distilbert()).DistilBertForTokenClassification,
    'deberta-v2': async () => (await debertaV2()).DebertaV2ForTokenClassification,
  }),
);

/** Finds where an answer starts and ends. */
export const AutoModelForQuestionAnswering: AutoClass<AnyQuestionAnswering> = /* @__PURE__ */ autoClass<AnyQuestionAnswering>(
  'AutoModelForQuestionAnswering',
  () => ({
    ...likeLlama<AnyQuestionAnswering>((file) => file.LlamaForQuestionAnswering),
    mistral: async () => (await mistral()).MistralForQuestionAnswering,
    gpt2: async () => (await gpt2()).GPT2ForQuestionAnswering,
    opt: async () => (await opt()).OPTForQuestionAnswering,
    bloom: async () => (await bloom()).BloomForQuestionAnswering,
    gpt_neox: async () => (await gptNeox()).GPTNeoXForQuestionAnswering,
    bert: async () => (await bert()).BertForQuestionAnswering,
    ...likeRoberta((file) => file.RobertaForQuestionAnswering),
    distilbert: async () => (await distilbert()).DistilBertForQuestionAnswering,
    'deberta-v2': async () => (await debertaV2()).DebertaV2ForQuestionAnswering,
  }),
);

/** Puts an image into a class. */
export const AutoModelForImageClassification: AutoClass<AnyImageClassifier> = /* @__PURE__ */ autoClass<AnyImageClassifier>(
  'AutoModelForImageClassification',
  () => ({
    vit: async () => (await vit()).ViTForImageClassification,
    segformer: async () => (await segformer()).SegformerForImageClassification,
  }),
);

/** Puts each pixel of an image into a class. */
export const AutoModelForSemanticSegmentation: AutoClass<AnySemanticSegmenter> = /* @__PURE__ */ autoClass<AnySemanticSegmenter>(
  'AutoModelForSemanticSegmentation',
  () => ({ segformer: async () => (await segformer()).SegformerForSemanticSegmentation }),
);

/** Which auto class makes a model, by the end of its class's name in Python; the first that fits counts. */
const BY_NAME: readonly (readonly [ending: RegExp, auto: AutoClass<AnyPretrained>])[] = [
  [/(ForCausalLM|LMHeadModel)$/, AutoModelForCausalLM],
  [/^WhisperForConditionalGeneration$/, AutoModelForSpeechSeq2Seq],
  [/ForConditionalGeneration$/, AutoModelForSeq2SeqLM],
  [/ForSequenceClassification$/, AutoModelForSequenceClassification],
  [/ForTokenClassification$/, AutoModelForTokenClassification],
  [/ForQuestionAnswering$/, AutoModelForQuestionAnswering],
  [/ForImageClassification$/, AutoModelForImageClassification],
  [/ForSemanticSegmentation$/, AutoModelForSemanticSegmentation],
  [/Model$/, AutoModel],
];

/**
 * The auto class for one of Python's classes, as `architectures` in a config or `auto_mapping` of an adapter names it.
 * @param modelType where it is given, the class must have it
 * Errors: there is none here.
 */
export function autoClassFor(architecture: string, modelType?: string): AutoClass<AnyPretrained> {
  const auto = BY_NAME.find(([ending]) => ending.test(architecture))?.[1];
  if (!auto) throw new Error(`there is no class for the architecture ${architecture}`);
  if (modelType !== undefined && !auto.modelTypes.includes(modelType))
    throw new Error(`there is no ${architecture} here: this class is there for ${auto.modelTypes.join(', ')}`);
  return auto;
}

/** A model's config alone, with defaults filled in. */
export const AutoConfig = {
  async fromPretrained(where: Location, options: HubOptions = {}) {
    return normalizeConfig((await readJson(await openSource(where, options), 'config.json')) as Record<string, unknown>);
  },
};
