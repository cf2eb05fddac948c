import type { Test } from './conformance';
import { adapted, allValues, demand, fails, keepsNoTensors, outputsOf, same } from './support';

export const merging: readonly Test[] = [
  [
    'merging keeps the outputs, unmerging brings the weights back to the bit; or it is refused by name',
    async (method) => {
      const model = await adapted(method);
      if (!model.adapter().merge) {
        await fails('merging', () => model.mergeAdapter(), method.tuner.type);
        model.dispose();
        return;
      }
      const before = { outputs: await outputsOf(model, method), values: allValues(model.getBaseModel()) };
      await keepsNoTensors(async () => {
        model.mergeAdapter({ safeMerge: true });
        same('merged outputs', await outputsOf(model, method), before.outputs, 1e-5);
        model.unmergeAdapter();
      });
      same('unmerged values', allValues(model.getBaseModel()), before.values);
      const merged = model.mergeAndUnload();
      same('outputs of the merged model', await outputsOf(merged, method), before.outputs, 1e-5);
    },
  ],
  [
    'a broken adapter is not merged',
    async (method) => {
      const model = await adapted(method);
      if (model.adapter().merge) {
        const before = allValues(model.getBaseModel());
        const parameters = Object.values(model.trainableParameters());
        const own = parameters.map(({ value }) => value.dataSync().slice() as Float32Array);
        for (const parameter of parameters) parameter.set(new Float32Array(parameter.size).fill(Number.NaN));
        await fails('a safe merge of NaN', () => model.mergeAdapter({ safeMerge: true }), 'finite');
        for (const [i, parameter] of parameters.entries()) parameter.set(own[i] as Float32Array);
        same('values', allValues(model.getBaseModel()), before);
        demand(model.getModelStatus().merged_adapters.length === 0, 'nothing must count as merged');
      }
      model.dispose();
    },
  ],
];
