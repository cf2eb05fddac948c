import { namedParameters, PeftModel } from '@peft/core';
import type { Comparison } from './Comparison';
import { type ReferenceCase, tensorsBelow, type Values } from './readCase';
import { type ReferenceModel, type ReferenceOptions, read, valuesOf } from './runCase';

/** Several adapters on one base: alone, together, mixed in a batch, and combined in every way the case holds. */
export async function compareCombinations(
  { path, base: basePath, inputs, expected, tensors }: ReferenceCase,
  { loadModel, tuners }: ReferenceOptions,
  comparison: Comparison,
): Promise<void> {
  const { pairs = {}, weights = [], density } = expected;
  const base: ReferenceModel = await loadModel(basePath);
  const before = Object.fromEntries(
    await Promise.all([...namedParameters(base)].map(async ([name, parameter]) => [name, await valuesOf(parameter)] as const)),
  );
  const names = [...new Set(Object.values(pairs).flat())];
  const [first, ...others] = names;
  const model = await PeftModel.fromPretrained(base, `${path}/${first}`, { tuners, adapterName: first as string });
  try {
    for (const name of others) await model.loadAdapter(`${path}/${name}`, name, { tuners });
    const logits = async (adapter_names?: string[]) =>
      (await read(() => ({ logits: model.forward({ ...inputs, ...(adapter_names && { adapter_names }) }).logits }))).logits;
    const check = async (name: string, ours: () => Promise<Values | undefined>) => {
      const theirs = (await tensorsBelow(tensors, `${name}.`)).logits;
      if (theirs) comparison.close('outputs', `${name}.logits`, await ours(), theirs);
    };
    await check('base', () => model.disableAdapter(() => logits()));
    for (const name of names) {
      model.setAdapter(name);
      await check(name, () => logits());
    }
    model.setAdapter(['first', 'second']);
    await check('first+second', () => logits());
    await check('mixed_batch', () => logits(['second', '__base__', 'first']));
    for (const [type, pair] of Object.entries(pairs)) {
      model.addWeightedAdapter(pair, weights, type, { combination_type: type, ...(/ties|prune|dare/.test(type) && { density }) } as never);
      model.setAdapter(type);
      await check(type, () => logits());
      // The change itself is the method's own affair; merged, it shows in the weights.
      const deltas = await tensorsBelow(tensors, `${type}.delta.`);
      model.mergeAdapter({ adapterNames: [type] });
      const merged = Object.fromEntries(
        [...namedParameters(base)].map(([name, parameter]) => [name.replace('.base_layer.', '.'), parameter]),
      );
      for (const [module, delta] of Object.entries(deltas)) {
        const parameter = merged[`${module}.weight`];
        const start = before[`${module}.weight`] as Values;
        const wanted = { shape: delta.shape, data: delta.data.map((change, i) => change + (start.data[i] as number)) };
        comparison.close('merged', `${type}.delta.${module}`, parameter && (await valuesOf(parameter)), wanted);
      }
      model.unmergeAdapter();
      model.deleteAdapter(type);
    }
  } finally {
    model.dispose();
  }
}
