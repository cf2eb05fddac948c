import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adaLora } from '@peft/adalora';
import { setWarningHandler } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { ia3 } from '@peft/ia3';
import { llamaAdapter } from '@peft/llama-adapter';
import { lora } from '@peft/lora';
import { AutoFeatureExtractor, AutoImageProcessor, autoClassFor } from '@peft/models';
import { pTuning } from '@peft/p-tuning';
import { prefixTuning } from '@peft/prefix';
import { promptTuning } from '@peft/prompt-tuning';
import { runReference, Unsupported } from '@peft/testing';

/** Runs reference cases with all models and methods that there are. */
export async function* runCases(root, filter) {
  // What a case says on the way is not what it is run for.
  setWarningHandler(() => {});
  await useEngine({ purpose: 'inference', log: (line) => console.error(line) });
  const tuners = [adaLora, ia3, llamaAdapter, lora, prefixTuning, promptTuning, pTuning];
  yield* runReference(root, { loadModel, loadProcessor, tuners, filter });
}

async function loadModel(path) {
  const { architectures, model_type } = JSON.parse(await readFile(join(path, 'config.json'), 'utf8'));
  return classFor(architectures[0], model_type).fromPretrained(path);
}

function classFor(architecture, modelType) {
  try {
    return autoClassFor(architecture, modelType);
  } catch (error) {
    throw new Unsupported(error.message);
  }
}

/** What makes a model's inputs of a case's tensors. */
async function loadProcessor(path) {
  const { feature_extractor_type: type } = JSON.parse(await readFile(join(path, 'preprocessor_config.json'), 'utf8'));
  if (type === undefined) return imagesOf(await AutoImageProcessor.fromPretrained(path));
  const extract = await AutoFeatureExtractor.fromPretrained(path);
  return async ({ samples }) => {
    const { input_features: all } = extract(samples.data);
    const [bands] = all;
    const data = Float32Array.from(all.flatMap((one) => one.flatMap((band) => Array.from(band))));
    return { input_features: { shape: [all.length, bands.length, bands[0].length], data } };
  };
}

const imagesOf =
  (process) =>
  async ({ pixels, mask }) => {
    const asImage = ({ shape: [height, width], data }) => ({ height, width, data: Uint8Array.from(data) });
    const made = process(asImage(pixels), mask && { segmentation_maps: asImage(mask) });
    const values = Object.entries(made).map(async ([name, tensor]) => [name, { shape: tensor.shape, data: await tensor.data() }]);
    const read = Object.fromEntries(await Promise.all(values));
    for (const tensor of Object.values(made)) tensor.dispose();
    return read;
  };
