import {
  type AnyTuner,
  type BaseModel,
  folder,
  getPeftModel,
  type ModelOutput,
  makeConfig,
  mean,
  memory,
  memorySink,
  multiply,
  namedParameters,
  type Parameter,
  PeftModel,
  parseSafetensors,
  readJson,
  readSafetensors,
} from '@peft/core';
import { adamW } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { Comparison, GRADIENT_NOISE, largest } from './Comparison';
import { compareCombinations } from './combinations';
import { compareInitial } from './initial';
import { compareProcessor } from './processor';
import { PROCESSOR, type ReferenceCase, tensorsBelow, type Values } from './readCase';
import { compareSchedule } from './schedule';

/** A base model as the cases use it. */
export type ReferenceModel = BaseModel<object, ModelOutput> & {
  generate?(options: { max_new_tokens: number; do_sample: boolean; ignore_prefix_length: boolean }): Promise<number[][]>;
};

/** What a runner needs from outside: this package knows neither models nor methods. */
export interface ReferenceOptions {
  /** Loads the base model in a folder. Throws `Unsupported` where its architecture is not there. */
  loadModel(path: string): Promise<ReferenceModel>;
  tuners: readonly AnyTuner[];
  /**
   * Loads the processor in a folder: of a case's tensors it takes what it reads, and gives what it makes of them, by the names of
   * the expected ones. @default there are no processors
   */
  loadProcessor?(path: string): Promise<Processor>;
}

export type Processor = (given: Readonly<Record<string, Values>>) => Promise<Record<string, Values>>;

/** Thrown where a case needs an architecture or a method that is not there: the case is skipped. */
export class Unsupported extends Error {}

type Adapted = PeftModel<ReferenceModel>;

/** Compares all that a case holds. */
export async function runCase(reference: ReferenceCase, options: ReferenceOptions): Promise<Comparison> {
  const comparison = new Comparison();
  const kind = reference.name.slice(reference.name.lastIndexOf('/') + 1);
  if (await folder(reference.path).has(PROCESSOR)) await compareProcessor(reference, options, comparison);
  else if (kind === 'base') await compareBase(reference, options, comparison);
  else if (await folder(reference.path).has('adapter_config.json')) await compareAdapter(reference, options, comparison);
  else if (reference.expected.pairs) await compareCombinations(reference, options, comparison);
  else throw new Unsupported('this kind of case is not known');
  return comparison;
}

async function compareBase(reference: ReferenceCase, { loadModel }: ReferenceOptions, comparison: Comparison): Promise<void> {
  const model = await loadModel(reference.path);
  try {
    await compareOutputs(reference, 'outputs', '', (batch) => model.forward(batch), comparison);
    await compareGreedy(reference, model, model, comparison);
  } finally {
    for (const parameter of new Set([...namedParameters(model)].map(([, one]) => one))) parameter.dispose();
  }
}

async function compareAdapter(reference: ReferenceCase, options: ReferenceOptions, comparison: Comparison): Promise<void> {
  const source = folder(reference.path);
  const raw = (await readJson(source, 'adapter_config.json')) as { peft_type: string };
  const tuner = options.tuners.find(({ type }) => type === raw.peft_type);
  if (!tuner) throw new Unsupported(`the method ${raw.peft_type} is not there`);
  const load = async (isTrainable: boolean) =>
    (await PeftModel.fromPretrained(await options.loadModel(reference.base), source, { tuners: options.tuners, isTrainable })) as Adapted;
  /** A model of its own for what changes it. */
  const withModel = async (use: (model: Adapted) => Promise<void>, make = () => load(true)) => {
    const model = (await make()).eval();
    try {
      await use(model);
    } finally {
      model.dispose();
    }
  };
  if (await trainsMoreThanItSaves(reference)) {
    await withModel(
      async (model) => {
        await compareOutputs(reference, 'outputs', '', forwardOf(model), comparison);
        await compareGreedy(reference, model as unknown as ReferenceModel, model.base_model.model, comparison);
        await compareFiles(reference, model, comparison);
      },
      () => load(false),
    );
    const fresh = async () => {
      const config = { ...makeConfig(tuner, raw, { fromFile: true }), inference_mode: false };
      const model = getPeftModel(await options.loadModel(reference.base), config) as Adapted;
      const values = await tensorsBelow(reference.tensors, 'parameter.');
      for (const [name, parameter] of Object.entries(model.trainableParameters()))
        if (values[name]) parameter.set(values[name].data as Float32Array);
      return model;
    };
    await withModel(async (model) => {
      compareCounts(reference, model, comparison);
      await compareOutputs(reference, 'outputs', '', forwardOf(model), comparison);
      await compareComputed(reference, model, comparison);
      await compareTraining(reference, model, comparison);
    }, fresh);
    return;
  }
  await withModel(async (model) => {
    compareCounts(reference, model, comparison);
    await compareOutputs(reference, 'outputs', '', forwardOf(model), comparison);
    await compareGreedy(reference, model as unknown as ReferenceModel, model.base_model.model, comparison);
    await compareFiles(reference, model, comparison);
    await compareTraining(reference, model, comparison);
  });
  if ([...reference.tensors.keys()].some((name) => name.startsWith('merged')))
    await withModel((model) => compareMerged(reference, model, comparison));
  await compareInitial(reference, options, comparison);
  if (reference.expected.nonzero_E) await compareSchedule(reference, options, comparison);
}

/**
 * A model's forward pass as Python makes it: without a task the batch goes straight to the base model with its adapted layers,
 * past what a method would add to the loss.
 */
function forwardOf(model: Adapted): (batch: object) => ModelOutput {
  const bypassed = model.peftConfig[model.activeAdapter]?.task_type === null && model.adapter().wrap !== undefined;
  return (batch) => (bypassed ? model.base_model.model : model).forward(batch);
}

/** Whether a file holds only what the trained values give, not the values themselves: training cannot go on from it. */
async function trainsMoreThanItSaves({ path, tensors }: ReferenceCase): Promise<boolean> {
  const size = (all: Iterable<[string, { shape: readonly number[] }]>, prefix: string) =>
    [...all].reduce((sum, [name, { shape }]) => sum + (name.startsWith(prefix) ? shape.reduce((product, n) => product * n, 1) : 0), 0);
  const saved = await readSafetensors(folder(path), 'adapter_model.safetensors').catch(() => undefined);
  return saved !== undefined && size(tensors, 'parameter.') > size(saved, '');
}

/** What a file holds that is computed from the trained values. */
async function compareComputed({ path }: ReferenceCase, model: Adapted, comparison: Comparison): Promise<void> {
  const sink = memorySink();
  await model.savePretrained(sink);
  const ours = await tensorsBelow(await readSafetensors(memory(sink.files), 'adapter_model.safetensors'), '');
  const theirs = await tensorsBelow(await readSafetensors(folder(path), 'adapter_model.safetensors'), '');
  for (const name of comparison.names('saved tensors', Object.keys(ours), Object.keys(theirs)))
    comparison.close('outputs', `saved ${name}`, ours[name], theirs[name] as Values);
}

/** The loss a case is trained by; models without one get the mean of their squared hidden states. */
export function lossOf(output: ModelOutput): tf.Scalar {
  if (output.loss) return output.loss;
  const hidden = output.last_hidden_state;
  if (!hidden) throw new Error('this model gives neither a loss nor hidden states');
  return mean(multiply(hidden, hidden));
}

const OUTPUTS = ['logits', 'start_logits', 'end_logits', 'last_hidden_state', 'pooler_output'] as const;

/** Runs something that gives tensors, reads them and frees them. */
export async function read<Name extends string>(
  compute: () => Partial<Record<Name, tf.Tensor | undefined>>,
): Promise<Partial<Record<Name, Values>>> {
  const tensors = tf.tidy(() => compute() as tf.NamedTensorMap);
  const entries = await Promise.all(
    Object.entries(tensors).map(
      async ([name, tensor]) => [name, { shape: tensor.shape, data: (await tensor.data()).slice() as Float32Array }] as const,
    ),
  );
  tf.dispose(tensors);
  return Object.fromEntries(entries) as unknown as Partial<Record<Name, Values>>;
}

/** Compares what a model computes with the expected tensors below a prefix. */
async function compareOutputs(
  { inputs, tensors }: ReferenceCase,
  measure: 'outputs' | 'merged_outputs',
  prefix: string,
  forward: (batch: object) => ModelOutput,
  comparison: Comparison,
): Promise<void> {
  const wanted = await tensorsBelow(tensors, prefix);
  const ours = await read(() => {
    const output = forward({ ...inputs, return_logits: true });
    const present = Object.fromEntries(OUTPUTS.flatMap((name) => (output[name] ? [[name, output[name]]] : [])));
    return { ...present, ...(wanted.loss && { loss: lossOf(output) }) } as Record<string, tf.Tensor>;
  });
  for (const name of OUTPUTS) if (wanted[name]) comparison.close(measure, `${prefix}${name}`, ours[name], wanted[name]);
  if (wanted.loss) comparison.close(prefix === '' ? 'loss' : measure, `${prefix}loss`, ours.loss, wanted.loss);
}

function compareCounts({ expected, tensors }: ReferenceCase, model: Adapted, comparison: Comparison): void {
  const [trainable, all] = model.getNbTrainableParameters();
  if (expected.trainable_parameters !== undefined) comparison.equal('trainable parameters', trainable, expected.trainable_parameters);
  if (expected.all_parameters === undefined) return;
  // PEFT counts a trained copy of a head beside the original.
  let beside = 0;
  for (const [name, { shape }] of tensors)
    if (name.startsWith('parameter.') && name.includes('.modules_to_save.')) beside += shape.reduce((product, n) => product * n, 1);
  comparison.equal('all parameters', all, expected.all_parameters - beside);
}

async function compareGreedy(
  { expected, inputs }: ReferenceCase,
  model: ReferenceModel,
  { config, main_input_name: main = 'input_ids' }: ReferenceModel,
  comparison: Comparison,
): Promise<void> {
  const greedy = expected.greedy?.[0];
  if (!greedy || !model.generate) return;
  const prompt = (inputs as Record<string, unknown[][]>)[main]?.[0] as unknown[];
  // An encoder–decoder model reads the prompt and begins with its start token, which is no part of what it writes down of speech.
  const length = main === 'input_features' ? 0 : config?.is_encoder_decoder === true ? 1 : prompt.length;
  // Python's `generate` hides an encoder–decoder model's prefix from its tokens; without this they see what was trained.
  const options = { max_new_tokens: greedy.length - length, do_sample: false, ignore_prefix_length: true };
  const ids = await model.generate({ [main]: [prompt], ...options });
  comparison.equal('greedy ids', ids[0], greedy);
}

/** What is saved must be what was loaded. */
async function compareFiles({ path }: ReferenceCase, model: Adapted, comparison: Comparison): Promise<void> {
  const sink = memorySink();
  await model.savePretrained(sink);
  const source = folder(path);
  const [ours, theirs] = [sink.files['adapter_model.safetensors'] as Uint8Array, await source.read('adapter_model.safetensors')];
  const [a, b] = [await parseSafetensors(ours), await parseSafetensors(theirs)];
  for (const name of comparison.names('saved tensors', [...a.keys()], [...b.keys()])) {
    const [mine, other] = [a.get(name), b.get(name)];
    comparison.equal(`saved ${name}`, [mine?.dtype, mine?.shape], [other?.dtype, other?.shape]);
    const same = Buffer.compare((await mine?.bytes()) ?? new Uint8Array(), (await other?.bytes()) ?? new Uint8Array()) === 0;
    if (!same) comparison.problems.push(`saved ${name} has other bytes`);
  }
  const config = (await readJson(memory(sink.files), 'adapter_config.json')) as Record<string, unknown>;
  const original = (await readJson(source, 'adapter_config.json')) as Record<string, unknown>;
  for (const field of comparison.names('saved config fields', Object.keys(config), Object.keys(original)))
    comparison.equal(`saved config's ${field}`, asSet(config[field]), asSet(original[field]));
}

/** Lists that are sets in Python have no order; Python writes what a task always trains twice with some methods. */
const asSet = (value: unknown) => (Array.isArray(value) ? [...new Set(value)].sort() : value);

async function compareTraining({ expected, inputs, tensors }: ReferenceCase, model: Adapted, comparison: Comparison): Promise<void> {
  const values = await tensorsBelow(tensors, 'parameter.');
  if (Object.keys(values).length === 0) return;
  const parameters = model.trainableParameters();
  const names = comparison.names('trained parameters', Object.keys(parameters), Object.keys(values));
  for (const name of names)
    comparison.close('parameters', `parameter ${name}`, await valuesOf(parameters[name] as Parameter), values[name] as Values);
  const gradients = await tensorsBelow(tensors, 'grad.');
  const biggest = Math.max(...Object.values(gradients).map(({ data }) => largest(data)));
  const optimizer = adamW(model, expected.adamw ?? {});
  const forward = forwardOf(model);
  const loss = () => optimizer.backward(() => lossOf(forward(inputs)));
  try {
    const first = loss();
    const ours = optimizer.gradients;
    for (const name of names) {
      const theirs = gradients[name];
      if (!theirs) continue;
      const gradient = ours[name];
      const zeros = { shape: theirs.shape, data: new Float32Array(theirs.data.length) };
      const mine = gradient ? { shape: gradient.shape, data: (await gradient.data()) as Float32Array } : zeros;
      comparison.close('gradients', `gradient of ${name}`, mine, theirs, {
        scale: Math.max(largest(theirs.data), 1e-3 * biggest),
        noise: GRADIENT_NOISE * biggest,
      });
    }
    if (!expected.adamw) return;
    for (const [step, wanted] of expected.adamw.losses.entries()) {
      const got = step === 0 ? first : loss();
      comparison.note('losses', `loss of step ${step}`, Math.abs(got - wanted) / Math.abs(wanted));
      optimizer.step();
      optimizer.zeroGrad();
    }
    const trained = await tensorsBelow(tensors, 'trained.');
    for (const name of names)
      if (trained[name])
        await compareTrained(name, parameters[name] as Parameter, trained[name], gradients[name], 1e-5 * biggest, comparison);
  } finally {
    optimizer.dispose();
  }
}

async function compareTrained(
  name: string,
  parameter: Parameter,
  theirs: Values,
  gradient: Values | undefined,
  floor: number,
  comparison: Comparison,
): Promise<void> {
  const { data } = await valuesOf(parameter);
  let error = 0;
  for (let i = 0; i < theirs.data.length; i++) {
    if (gradient && Math.abs(gradient.data[i] as number) < floor) continue;
    const difference = Math.abs((data[i] as number) - (theirs.data[i] as number));
    if (!(difference <= error)) error = difference;
  }
  comparison.note('trained', `trained ${name}`, error);
}

/** What merging makes of the base's weights, and what the model then computes. */
async function compareMerged(reference: ReferenceCase, model: Adapted, comparison: Comparison): Promise<void> {
  const expected = await tensorsBelow(reference.tensors, 'merged.');
  const wrong = wronglyMerged(model, Object.keys(expected));
  const base = model.mergeAndUnload() as ReferenceModel;
  const ours = Object.fromEntries(namedParameters(base));
  for (const [name, values] of Object.entries(expected)) {
    if (wrong.includes(name)) continue;
    const parameter = ours[name];
    comparison.close('merged', `merged ${name}`, parameter && (await valuesOf(parameter)), values);
  }
  await compareOutputs(reference, 'merged_outputs', wrong.length > 0 ? '' : 'merged_output.', (batch) => base.forward(batch), comparison);
}

/**
 * Weights that Python's merge changes although no adapter is on them: those tied to a merged one, and those that replicated
 * layers share. Its merged model computes something else than the unmerged one; here it must compute the same.
 */
function wronglyMerged(model: Adapted, names: readonly string[]): string[] {
  const { layer_replication: replicated } = model.peftConfig.default as { layer_replication?: unknown };
  if (replicated) return [...names];
  const adapted = Object.keys(model.adapterState());
  return names.filter((name) => !adapted.some((key) => key.includes(`.${name.slice(0, name.lastIndexOf('.'))}.`)));
}

export const valuesOf = async (parameter: Parameter): Promise<Values> => ({
  shape: parameter.shape,
  data: (await parameter.value.data()) as Float32Array,
});
