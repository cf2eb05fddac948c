import { Generator, getPeftModel, type Parameter, type PeftModel, parameters, setWarningHandler } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';
import { largest, largestDifference } from '../reference/Comparison';
import { type ReferenceModel, read } from '../reference/runCase';
import type { MethodUnderTest } from './conformance';

export type Adapted = PeftModel<ReferenceModel>;

/** A model with an adapter whose every value is random, so that no zero hides a mistake. */
export async function adapted(method: MethodUnderTest, { random = true, seed = 1 } = {}): Promise<Adapted> {
  const model = getPeftModel(await method.createModel(), method.config()) as unknown as Adapted;
  if (random) randomize(model.trainableParameters(), seed);
  return model.eval();
}

/** Gives parameters random values. */
export function randomize(named: Readonly<Record<string, Parameter>>, seed: number, std = 0.3): void {
  const random = new Generator(seed);
  for (const parameter of Object.values(named)) parameter.set(random.normal(parameter.size, 0, std));
}

/** What a model computes for the batch, all outputs in one list. */
export async function outputsOf(
  model: Pick<ReferenceModel, 'forward'>,
  method: MethodUnderTest,
  extra: object = {},
): Promise<Float32Array> {
  const values = await read(() => {
    const { logits, start_logits, end_logits, last_hidden_state } = model.forward({ ...method.batch, ...extra, return_logits: true });
    return Object.fromEntries(
      Object.entries({ logits, start_logits, end_logits, last_hidden_state }).filter(([, tensor]) => tensor !== undefined),
    ) as Record<string, tf.Tensor>;
  });
  return Float32Array.from(Object.values(values).flatMap((one) => [...(one?.data ?? [])]));
}

/** Fails unless the values are those expected, to the bit or within a part of the largest. */
export function same(what: string, ours: ArrayLike<number>, theirs: ArrayLike<number>, tolerance = 0): void {
  if (ours.length !== theirs.length) throw new Error(`${what}: ${ours.length} values instead of ${theirs.length}`);
  const difference = largestDifference(ours, theirs);
  if (!(difference <= tolerance * largest(theirs)))
    throw new Error(`${what}: off by ${difference.toExponential(2)}, largest value ${largest(theirs).toExponential(2)}`);
}

export function differs(what: string, a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (largestDifference(a, b) === 0) throw new Error(`${what}: nothing has changed`);
}

export function demand(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

/** Fails unless something fails with all of these words in its message. */
export async function fails(what: string, run: () => unknown, ...words: string[]): Promise<void> {
  let message: string | undefined;
  try {
    await run();
  } catch (error) {
    message = (error as Error).message;
  }
  if (message === undefined) throw new Error(`${what} must be an error`);
  for (const word of words) if (!message.includes(word)) throw new Error(`${what}: the error does not say "${word}": ${message}`);
}

/** Runs something and gives the warnings of that time. */
export async function warningsOf(run: () => unknown): Promise<string[]> {
  const warnings: string[] = [];
  const previous = setWarningHandler((message) => warnings.push(message));
  try {
    await run();
  } finally {
    setWarningHandler(previous);
  }
  return warnings;
}

/** Fails unless as many tensors are there afterwards as before. */
export async function keepsNoTensors(run: () => Promise<void>): Promise<void> {
  const before = tf.memory().numTensors;
  await run();
  const after = tf.memory().numTensors;
  if (after !== before) throw new Error(`${after - before} tensors are left over`);
}

/** The values of all parameters of a model, in order. */
export const allValues = (model: unknown): Float32Array =>
  Float32Array.from(parameters(model).flatMap(({ value }) => [...value.dataSync()]));
