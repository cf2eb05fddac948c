import {
  makeConfig,
  memory,
  memorySink,
  PeftModel,
  parseSafetensors,
  readJson,
  type TensorToWrite,
  tunerOf,
  writeSafetensors,
} from '@peft/core';
import type { MethodUnderTest, Test } from './conformance';
import { type Adapted, adapted, allValues, demand, fails, keepsNoTensors, outputsOf, same, warningsOf } from './support';

type Files = Record<string, Uint8Array>;

const save = async (model: Adapted): Promise<Files> => {
  const sink = memorySink();
  await model.savePretrained(sink);
  return { ...sink.files };
};

const load = async (method: MethodUnderTest, saved: Files, options = {}): Promise<Adapted> =>
  (await PeftModel.fromPretrained(await method.createModel(), memory(saved), { tuners: [method.tuner], ...options })) as Adapted;

/** A saved adapter with its tensors changed. */
async function changed(saved: Files, change: (tensors: Record<string, TensorToWrite>) => void): Promise<Files> {
  const tensors: Record<string, TensorToWrite> = {};
  for (const [name, tensor] of await parseSafetensors(saved['adapter_model.safetensors'] as Uint8Array))
    tensors[name] = { dtype: tensor.dtype, shape: tensor.shape, data: await tensor.bytes() };
  change(tensors);
  return { ...saved, 'adapter_model.safetensors': writeSafetensors(tensors) };
}

export const files: readonly Test[] = [
  [
    'what is saved loads and computes the same',
    async (method) => {
      const model = await adapted(method);
      const before = await outputsOf(model, method);
      const saved = await save(model);
      const loaded = await load(method, saved);
      same('outputs', await outputsOf(loaded, method), before);
      demand(Object.values(loaded.trainableParameters()).length === 0, 'an adapter loaded for use must be frozen');
      const again = await save(loaded);
      for (const name of ['adapter_config.json', 'adapter_model.safetensors'])
        same(`${name}, saved again`, again[name] as Uint8Array, saved[name] as Uint8Array);
      if (model.adapter().unloadable) {
        await fails('loading for training what a file does not hold', () => load(method, saved, { isTrainable: true }), 'cannot be loaded');
        await fails('loading into an adapter that is trained', () => model.loadAdapter(memory(saved), 'default'), 'cannot be loaded');
        same('outputs after the refusal', await outputsOf(model, method), before);
      } else {
        const trainable = await load(method, saved, { isTrainable: true });
        demand(Object.values(trainable.trainableParameters()).length > 0, 'an adapter loaded for training must be trainable');
        trainable.dispose();
      }
      for (const one of [model, loaded]) one.dispose();
    },
  ],
  [
    'a config survives its file; unknown fields are kept, wrong ones refused by name',
    async (method) => {
      const model = await adapted(method);
      const raw = (await readJson(memory(await save(model)), 'adapter_config.json')) as Record<string, unknown>;
      demand(raw.peft_type === method.tuner.type, `peft_type is ${raw.peft_type}`);
      const parse = (value: object) => makeConfig(method.tuner, value, { fromFile: true });
      const { [tunerOf]: _, ...config } = parse(raw);
      demand(JSON.stringify(Object.keys(config).sort()) === JSON.stringify(Object.keys(raw).sort()), 'fields are lost or added');
      const warnings = await warningsOf(() =>
        demand(
          (parse({ ...raw, field_of_the_future: 3 }) as unknown as Record<string, unknown>).field_of_the_future === 3,
          'an unknown field is lost',
        ),
      );
      demand(
        warnings.some((warning) => warning.includes('field_of_the_future')),
        'an unknown field must be warned about',
      );
      await fails('a field of the wrong type', () => parse({ ...raw, inference_mode: 'perhaps' }), 'inference_mode');
      model.dispose();
    },
  ],
  [
    'a file that does not fit is refused, all misfits at once, and the model is unchanged',
    async (method) => {
      const model = await adapted(method);
      const saved = await save(model);
      const names = [...(await parseSafetensors(saved['adapter_model.safetensors'] as Uint8Array)).keys()];
      const [first, last] = [names[0] as string, names.at(-1) as string];
      const without = await changed(saved, (tensors) => {
        for (const name of names) delete tensors[name];
        tensors.other = { dtype: 'F32', shape: [1], data: new Float32Array(1) };
      });
      const misshapen = await changed(saved, (tensors) => {
        tensors[first] = { dtype: 'F32', shape: [3, 1, 7], data: new Float32Array(21) };
      });
      const whole = await changed(saved, (tensors) => {
        const { shape } = tensors[first] as TensorToWrite;
        tensors[first] = { dtype: 'I32', shape, data: new Int32Array(shape.reduce((product, n) => product * n, 1)) };
      });
      const base = await method.createModel();
      const before = allValues(base);
      const tryLoad = (bad: Files, options = {}) => PeftModel.fromPretrained(base, memory(bad), { tuners: [method.tuner], ...options });
      await keepsNoTensors(async () => {
        await fails('missing keys', () => tryLoad(without), first, last);
        await fails('a wrong shape', () => tryLoad(misshapen), first, '3,1,7');
        await fails('whole numbers', () => tryLoad(whole), first, 'I32');
        await fails(
          'a missing file',
          () => tryLoad({ 'adapter_config.json': saved['adapter_config.json'] as Uint8Array }),
          'adapter_model.safetensors',
        );
      });
      same('the base', allValues(base), before);
      const more = await changed(saved, (tensors) => {
        tensors['not.there'] = { dtype: 'F32', shape: [1], data: new Float32Array(1) };
      });
      await fails('unexpected keys, strictly', () => tryLoad(more, { strict: true }), 'not.there');
      const warnings = await warningsOf(async () => (await tryLoad(more)).dispose());
      demand(warnings.filter((warning) => warning.includes('not.there')).length === 1, 'unexpected keys need one warning');
      model.dispose();
    },
  ],
  [
    'load, use and delete keep no tensors',
    async (method) => {
      const model = await adapted(method);
      const saved = await save(model);
      const use = async () => {
        await model.loadAdapter(memory(saved), 'another', { tuners: [method.tuner] });
        model.setAdapter('another');
        await outputsOf(model, method);
        model.setAdapter('default');
        model.deleteAdapter('another');
      };
      await use();
      await keepsNoTensors(use);
      model.dispose();
    },
  ],
];
