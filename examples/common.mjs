// What the guides' programs share: their options, the loss of a data set, repeated batches, and the judgement at their ends.
import { parseArgs } from 'node:util';
import { perplexity } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';

/**
 * The options of a guide's program.
 * @param defaults `model`: the stand-in's folder, `guideModel`: the guide's own on the hub, `guideSettings`: other settings of the
 * guide's own, and what else may be set
 */
export function readOptions(usage, { guideModel, guideSettings, ...defaults }) {
  const names = ['guide', ...Object.keys(defaults)];
  const options = {
    help: { type: 'boolean' },
    trainer: { type: 'boolean' },
    ...Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
  };
  const given = parseArgs({ options }).values;
  if (given.help) {
    console.log(usage);
    process.exit(0);
  }
  const numbers = Object.entries(given).map(([name, value]) => [name, typeof defaults[name] === 'number' ? Number(value) : value]);
  return { ...defaults, ...(given.guide && { model: guideModel, ...guideSettings }), ...Object.fromEntries(numbers) };
}

/** The mean loss of a model over the batches of a loader, each as often as it has rows. */
export async function meanLoss(model, loader) {
  const settings = model.peftConfig?.[model.activeAdapter] ?? {};
  const { orth_reg_weight } = settings;
  // AdaLoRA's loss has a term that is no part of how well the text is predicted.
  if (orth_reg_weight) settings.orth_reg_weight = 0;
  let [total, rows] = [0, 0];
  for (const batch of loader) {
    const loss = tf.tidy(() => model.forward({ ...batch, return_logits: false }).loss);
    total += (await loss.data())[0] * batch.input_ids.length;
    rows += batch.input_ids.length;
    loss.dispose();
  }
  if (orth_reg_weight) settings.orth_reg_weight = orth_reg_weight;
  return total / rows;
}

/**
 * Tells at the end of each epoch the losses of training and of held-out batches.
 * @returns `losses`, those of held-out batches so far; `report`, which is given the mean loss of training; `callback`, which
 * does it for the Trainer
 */
export function epochLosses(model, evalLoader) {
  const losses = [];
  const report = async (trainLoss) => {
    const evalLoss = await meanLoss(model, evalLoader);
    losses.push(evalLoss);
    const told = Object.entries({ train: trainLoss, eval: evalLoss }).map(
      ([what, loss]) => `${what} loss ${loss.toFixed(4)}, perplexity ${perplexity(loss).toFixed(2)}`,
    );
    console.log(`epoch ${losses.length}  ${told.join('   ')}`);
  };
  let seen = 0;
  const onEpochEnd = async ({ state }) => {
    await report((state.total_loss - seen) / state.batches_per_epoch);
    seen = state.total_loss;
  };
  return { losses, report, callback: { onEpochEnd } };
}

/** So many batches of a loader, epoch after epoch. */
export async function* repeat(loader, count) {
  for (let step = 0; ; )
    for await (const batch of loader)
      if (step++ < count) yield batch;
      else return;
}

/** Says whether what must be holds, and makes the program end as failed where it does not. */
export function expect(what, holds) {
  console.log(`${holds ? 'as expected' : 'NOT AS EXPECTED'}: ${what}`);
  if (!holds) process.exitCode = 1;
}

/** A share as it is told. */
export const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** How often the commonest of some labels is there: what a model reaches that has learnt nothing else. */
export const shareOfCommonest = (labels) =>
  Math.max(...labels.map((one) => labels.filter((label) => label === one).length)) / labels.length;
