import type { Test } from './conformance';
import { adapted, allValues, demand, differs, fails, keepsNoTensors, outputsOf, randomize, same } from './support';

export const adapters: readonly Test[] = [
  [
    'a disabled adapter has no effect',
    async (method) => {
      const base = await method.createModel();
      const before = await outputsOf(base, method);
      const model = await adapted(method);
      const on = await outputsOf(model, method);
      const off = await model.disableAdapter(() => outputsOf(model, method));
      same('outputs without the adapter', off, before);
      same('outputs with it again', await outputsOf(model, method), on);
      model.dispose();
    },
  ],
  [
    'adapters are added, switched and deleted',
    async (method) => {
      const model = await adapted(method);
      const first = await outputsOf(model, method);
      model.addAdapter('second', method.config());
      same('outputs before the switch', await outputsOf(model, method), first);
      model.setAdapter('second');
      randomize(model.trainableParameters(), 2);
      const second = await outputsOf(model, method);
      model.setAdapter('default');
      same('outputs after switching back', await outputsOf(model, method), first);
      if (second.length === first.length) differs('the second adapter', second, first);
      await fails('an adapter that exists', () => model.addAdapter('second', method.config()), 'second');
      await fails('an adapter that does not', () => model.setAdapter('third'), 'third', 'default', 'second');
      await fails('a name that leaves its folder', () => model.addAdapter('../x', method.config()), '../x');
      model.deleteAdapter('default');
      demand(model.activeAdapter === 'second', `after deleting the active adapter "${model.activeAdapter}" is active`);
      same('outputs of the one that is left', await outputsOf(model, method), second);
      model.dispose();
    },
  ],
  [
    'a failed attempt leaves the model as it was',
    async (method) => {
      const model = await adapted(method);
      const before = await outputsOf(model, method);
      await keepsNoTensors(() =>
        fails('a config of another method', () => model.addAdapter('other', { ...method.config(), peft_type: 'NONE' } as never), 'NONE'),
      );
      same('outputs', await outputsOf(model, method), before);
      model.dispose();
    },
  ],
  [
    'unloading gives the base back, to the bit',
    async (method) => {
      const base = await method.createModel();
      const before = { outputs: await outputsOf(base, method), values: allValues(base) };
      const model = await adapted(method);
      const bare = model.unload();
      same('outputs', await outputsOf(bare, method), before.outputs);
      same('values', allValues(bare), before.values);
    },
  ],
  [
    'adapters mix in one batch, a row each, or are refused by name',
    async (method) => {
      const model = await adapted(method);
      const rows = (method.batch.input_ids as number[][]).length;
      const names = Array.from({ length: rows }, (_, row) => (row % 2 === 0 ? 'default' : '__base__'));
      let mixed: Float32Array;
      try {
        mixed = await outputsOf(model, method, { adapter_names: names });
      } catch (error) {
        demand(
          (error as Error).message.includes('adapter_names cannot be used with'),
          `the refusal is not clear: ${(error as Error).message}`,
        );
        model.dispose();
        return;
      }
      const own = await outputsOf(model, method);
      const bare = await model.disableAdapter(() => outputsOf(model, method));
      const each = mixed.length / rows;
      for (const [row, name] of names.entries())
        same(
          `row ${row} (${name})`,
          mixed.subarray(row * each, (row + 1) * each),
          (name === 'default' ? own : bare).subarray(row * each, (row + 1) * each),
          1e-5,
        );
      model.dispose();
    },
  ],
  [
    'generation is the same with and without a cache',
    async (method) => {
      const model = await adapted(method);
      const generate = model.generate as unknown as (options: object) => Promise<number[][]>;
      const options = {
        input_ids: (method.batch.input_ids as number[][]).map((row) => row.slice(0, 4)),
        max_new_tokens: 6,
        eos_token_id: null,
      };
      if (model.getBaseModel().outputEmbeddings?.()) {
        const cached = await generate(options);
        same('token ids', cached.flat(), (await generate({ ...options, use_cache: false })).flat());
        await keepsNoTensors(async () => void (await generate(options)));
      } else await fails('generation without a head', () => generate(options), 'generate');
      model.dispose();
    },
  ],
];
