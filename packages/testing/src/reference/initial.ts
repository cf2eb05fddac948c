import { folder, getPeftModel, makeConfig, namedParameters, type Parameter, readJson } from '@peft/core';
import type { Comparison } from './Comparison';
import { type ReferenceCase, tensorsBelow, type Values } from './readCase';
import type { ReferenceModel, ReferenceOptions } from './runCase';
import { valuesOf } from './runCase';

/** An adapter that starts from the base's weights: what it starts with, as B·A, and what it leaves of the base. */
export async function compareInitial(
  { path, base: basePath, tensors }: ReferenceCase,
  { loadModel, tuners }: ReferenceOptions,
  comparison: Comparison,
): Promise<void> {
  const initial = await tensorsBelow(tensors, 'initial.');
  const left = await tensorsBelow(tensors, 'initial_base.');
  if (Object.keys(initial).length === 0) return;
  const raw = (await readJson(folder(path), 'adapter_config.json')) as { peft_type: string };
  const tuner = tuners.find(({ type }) => type === raw.peft_type) as (typeof tuners)[number];
  const base: ReferenceModel = await loadModel(basePath);
  const model = getPeftModel(base, { ...makeConfig(tuner, raw, { fromFile: true }), inference_mode: false });
  try {
    const ours = model.trainableParameters();
    for (const [name, b] of Object.entries(initial)) {
      if (!name.endsWith('lora_B.weight')) continue;
      const nameOfA = name.replace(/lora_B\.weight$/, 'lora_A.weight');
      const [mineA, mineB] = [ours[nameOfA], ours[name]];
      // The signs of A's rows and B's columns are arbitrary: only their product has meaning.
      const product = mineA && mineB && multiplied(await valuesOf(mineB), await valuesOf(mineA));
      comparison.close('initial', `initial B·A of ${name}`, product, multiplied(b, initial[nameOfA] as Values));
    }
    const inner = Object.fromEntries(namedParameters(base)) as Record<string, Parameter>;
    for (const [name, values] of Object.entries(left)) {
      const parameter = inner[name] ?? inner[name.replace(/\.(weight|bias)$/, '.base_layer.$1')];
      comparison.close('initial', `base ${name}`, parameter && (await valuesOf(parameter)), values);
    }
  } finally {
    model.dispose();
  }
}

function multiplied(b: Values, a: Values): Values {
  const [out, r] = b.shape as [number, number];
  const [, width] = a.shape as [number, number];
  const data = new Float32Array(out * width);
  for (let i = 0; i < out; i++)
    for (let j = 0; j < width; j++) {
      let sum = 0;
      for (let k = 0; k < r; k++) sum += (b.data[i * r + k] as number) * (a.data[k * width + j] as number);
      data[i * width + j] = sum;
    }
  return { shape: [out, width], data };
}
