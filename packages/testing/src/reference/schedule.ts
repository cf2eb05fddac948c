import { folder, memory, memorySink, PeftModel, parseSafetensors, readJson, writeSafetensors } from '@peft/core';
import { adamW } from '@peft/train';
import { type Comparison, largestDifference } from './Comparison';
import { type ReferenceCase, tensorsBelow, type Values } from './readCase';
import { type ReferenceModel, type ReferenceOptions, read, valuesOf } from './runCase';

/** A training in which the adapter itself changes: every step of it, what it saves at the end, and what that computes when loaded. */
export async function compareSchedule(
  { path, base, inputs, expected, tensors }: ReferenceCase,
  { loadModel, tuners }: ReferenceOptions,
  comparison: Comparison,
): Promise<void> {
  const { losses = [], budgets = [], nonzero_E: counts = [], lr, weight_decay } = expected;
  const source = folder(path);
  const config = (await readJson(source, 'adapter_config.json')) as Record<string, unknown>;
  const start = Object.entries(await tensorsBelow(tensors, 'start.')).map(([name, values]) => [name, { dtype: 'F32', ...values }] as const);
  const files = {
    // What the training decides is not there at its start.
    'adapter_config.json': JSON.stringify({ ...config, rank_pattern: null }),
    'adapter_model.safetensors': writeSafetensors(Object.fromEntries(start)),
  };
  const logitsOf = async (model: Pick<ReferenceModel, 'forward'>): Promise<Values | undefined> =>
    (await read(() => ({ logits: model.forward(inputs).logits }))).logits;
  const model = await PeftModel.fromPretrained(await loadModel(base), memory(files), { tuners, isTrainable: true });
  const optimizer = adamW(model, { ...(lr !== undefined && { lr }), ...(weight_decay !== undefined && { weight_decay }) });
  const sink = memorySink();
  try {
    const handle = model.eval().adapter();
    for (const [i, wanted] of losses.entries()) {
      const loss = optimizer.backward(() => model.forward(inputs).loss);
      comparison.note('losses', `loss of step ${i + 1}`, Math.abs(loss - wanted) / Math.abs(wanted));
      optimizer.step();
      const budget = handle.afterOptimizerStep?.(i + 1, optimizer.gradients);
      comparison.equal(`budget of step ${i + 1}`, budget ?? null, budgets[i]);
      optimizer.zeroGrad();
      const parameters = handle.parameters();
      for (const [name, count] of Object.entries(counts[i] ?? {})) {
        const values = parameters[name] ? (await valuesOf(parameters[name])).data : [];
        comparison.equal(`values of ${name} other than zero after step ${i + 1}`, [...values].filter((value) => value !== 0).length, count);
      }
    }
    const logits = (await tensorsBelow(tensors, '')).logits;
    if (logits) comparison.close('outputs', 'logits after the schedule', await logitsOf(model), logits);
    await model.savePretrained(sink);
  } finally {
    optimizer.dispose();
    model.dispose();
  }

  const saved = await parseSafetensors(sink.files['adapter_model.safetensors'] as Uint8Array);
  const theirs = await parseSafetensors(await source.read('adapter_model.safetensors'));
  for (const name of comparison.names('tensors saved after the schedule', [...saved.keys()], [...theirs.keys()])) {
    const [mine, other] = [saved.get(name), theirs.get(name)];
    comparison.equal(`shape of ${name}`, mine?.shape, other?.shape);
    const [a, b] = [(await mine?.data()) ?? [], (await other?.data()) ?? []];
    comparison.note('trained', `saved ${name}`, largestDifference(a, b));
  }
  const savedConfig = (await readJson(memory(sink.files), 'adapter_config.json')) as Record<string, unknown>;
  comparison.equal('rank_pattern after the schedule', sorted(savedConfig.rank_pattern), sorted(config.rank_pattern));

  const reloaded = await PeftModel.fromPretrained(await loadModel(base), memory(sink.files), { tuners });
  try {
    const logits = (await tensorsBelow(tensors, 'reloaded.')).logits;
    if (logits) comparison.close('outputs', 'logits of the reloaded model', await logitsOf(reloaded), logits);
  } finally {
    reloaded.dispose();
  }
}

const sorted = (value: unknown) => Object.entries((value ?? {}) as object).sort(([a], [b]) => (a < b ? -1 : 1));
