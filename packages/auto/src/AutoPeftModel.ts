import {
  type AnyTuner,
  type BaseModel,
  disposeModule,
  type Location,
  openSource,
  PeftModel,
  readJson,
  type Source,
  warn,
} from '@peft/core';
import {
  type AnyCausalLM,
  type AnyModel,
  type AnyPretrained,
  type AnyQuestionAnswering,
  type AnySeq2SeqLM,
  type AnySequenceClassifier,
  type AnyTokenClassifier,
  type AutoClass,
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForQuestionAnswering,
  AutoModelForSeq2SeqLM,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
  AutoTokenizer,
  autoClassFor,
  type LoadModelOptions,
  type PretrainedModel,
  resizeTokenEmbeddings,
} from '@peft/models';
import { loadTuner } from './loadTuner';

/** Of these, `revision` and `subfolder` are the adapter's; the base model has its own revision, in the adapter's config. */
export interface AutoPeftOptions extends LoadModelOptions {
  /** @default 'default' */
  adapterName?: string;
  /** Whether training goes on; otherwise the adapter is frozen and the model set to evaluation. @default false */
  isTrainable?: boolean;
  /** Methods beside those that have packages here. */
  tuners?: readonly AnyTuner[];
  /** Where the base model is. @default what the adapter's config says */
  baseModel?: Location;
}

/** Loads base model and adapter by the adapter's name alone; only the needed architecture's and method's code is loaded. */
export interface AutoPeftClass<Base extends BaseModel> {
  /**
   * From a folder, a hub repository or files in memory.
   * Errors: an adapter for another task; a method whose package is not installed; whatever loading base and adapter says.
   */
  fromPretrained(where: Location, options?: AutoPeftOptions): Promise<PeftModel<Base>>;
}

type AdapterConfig = Readonly<Record<string, unknown>>;

function autoPeftClass<Base extends PretrainedModel<never>>(choose: (config: AdapterConfig) => AutoClass<Base>): AutoPeftClass<Base> {
  return {
    async fromPretrained(where, { adapterName = 'default', isTrainable = false, tuners = [], baseModel, ...options } = {}) {
      const source = await openSource(where, options);
      const config = (await readJson(source, 'adapter_config.json')) as AdapterConfig;
      const auto = choose(config);
      const tuner = await loadTuner(config.peft_type, tuners);
      const { revision: _, subfolder: __, ...forBase } = options;
      const base = await (baseModel === undefined
        ? auto.fromPretrained(baseOf(config, source), {
            ...forBase,
            ...(typeof config.revision === 'string' && { revision: config.revision }),
          })
        : auto.fromPretrained(baseModel, forBase));
      try {
        await growEmbeddings(base, source);
        return (await PeftModel.fromPretrained(base, source, { adapterName, isTrainable, tuners: [tuner] })) as PeftModel<Base>;
      } catch (error) {
        disposeModule(base);
        throw error;
      }
    },
  };
}

function baseOf({ base_model_name_or_path: name }: AdapterConfig, source: Source): string {
  if (typeof name === 'string' && name !== '') return name;
  throw new Error(`${source.describe} does not say which base model it is for: give it as baseModel`);
}

/** One of the classes for a task: it takes adapters for that task, and those without one that name a class. */
const forTask = <Base extends PretrainedModel<never>>(name: string, task: string, auto: AutoClass<Base>): AutoPeftClass<Base> =>
  autoPeftClass((config) => {
    const { task_type: own = null } = config;
    if (own !== null && own !== task)
      throw new Error(`this adapter is for the task ${own}, and ${name} loads adapters for ${task}: choose the class of its task`);
    if (own === null) mappingOf(config);
    return auto;
  });

/** The class that an adapter without a task names. */
function mappingOf({ task_type, auto_mapping }: AdapterConfig): string {
  if (typeof task_type === 'string')
    throw new Error(`this adapter is for the task ${task_type}: choose the class of that task, as AutoPeftModelForCausalLM for CAUSAL_LM`);
  const { base_model_class: name, parent_library: library } = (auto_mapping ?? {}) as Record<string, unknown>;
  if (typeof name !== 'string')
    throw new Error(
      'this adapter says neither its task_type nor its auto_mapping, so no model can be chosen for it: load the base model, then use PeftModel.fromPretrained',
    );
  if (!/^transformers(\.|$)/.test(String(library)))
    throw new Error(
      `this adapter is for ${name} of ${library}: models of transformers are there, those of ${String(library).split('.')[0]} not yet`,
    );
  return name;
}

/** An adapter may come with a tokenizer that knows more tokens than the base: rows are added for them, never taken away. */
async function growEmbeddings(base: PretrainedModel<never> & BaseModel, source: Source): Promise<void> {
  if (!base.inputEmbeddings || !(await source.has('tokenizer_config.json'))) return;
  // Most such tokenizers are the base's own, so one that cannot be read is no reason to stop.
  const tokenizer = await AutoTokenizer.fromPretrained(source).catch(({ message }: Error) =>
    warn(`whether the adapter's tokenizer has more tokens than the base model is not known: ${message}`),
  );
  if (tokenizer && tokenizer.length > (base.config.vocab_size as number)) resizeTokenEmbeddings(base, tokenizer.length);
}

/** Adapters for language models. */
export const AutoPeftModelForCausalLM: AutoPeftClass<AnyCausalLM> = forTask('AutoPeftModelForCausalLM', 'CAUSAL_LM', AutoModelForCausalLM);

/** Adapters for models that make one text of another. */
export const AutoPeftModelForSeq2SeqLM: AutoPeftClass<AnySeq2SeqLM> = forTask(
  'AutoPeftModelForSeq2SeqLM',
  'SEQ_2_SEQ_LM',
  AutoModelForSeq2SeqLM,
);

/** Adapters that put a text into a class. */
export const AutoPeftModelForSequenceClassification: AutoPeftClass<AnySequenceClassifier> = forTask(
  'AutoPeftModelForSequenceClassification',
  'SEQ_CLS',
  AutoModelForSequenceClassification,
);

/** Adapters that put each token into a class. */
export const AutoPeftModelForTokenClassification: AutoPeftClass<AnyTokenClassifier> = forTask(
  'AutoPeftModelForTokenClassification',
  'TOKEN_CLS',
  AutoModelForTokenClassification,
);

/** Adapters that find answers. */
export const AutoPeftModelForQuestionAnswering: AutoPeftClass<AnyQuestionAnswering> = forTask(
  'AutoPeftModelForQuestionAnswering',
  'QUESTION_ANS',
  AutoModelForQuestionAnswering,
);

/** Adapters on a model's body. */
export const AutoPeftModelForFeatureExtraction: AutoPeftClass<AnyModel> = forTask(
  'AutoPeftModelForFeatureExtraction',
  'FEATURE_EXTRACTION',
  AutoModel,
);

/** Adapters without a task, by the class that their `auto_mapping` names. */
export const AutoPeftModel: AutoPeftClass<AnyPretrained> = autoPeftClass((config) => autoClassFor(mappingOf(config)));
