import { loadTuner } from '@peft/auto';
import { PeftModel, readJson } from '@peft/core';
import { showLoading } from '../byteProgress';
import { command } from '../command';
import { openAdapter } from '../openAdapter';
import { headOptions } from '../openModel';
import { engineOptions, UsageError } from '../options';
import { startEngine } from '../startEngine';
import { autoOf } from '../tasks';

const TYPES = [
  ...['linear', 'svd', 'cat', 'ties', 'ties_svd', 'dare_linear', 'dare_linear_svd'],
  ...['dare_ties', 'dare_ties_svd', 'magnitude_prune', 'magnitude_prune_svd'],
];

export const combine = command({
  options: {
    adapters: { type: 'list', positional: true, required: true, help: 'the adapters, all for one base model' },
    out: { type: 'text', value: 'FOLDER', required: true, help: 'where the new adapter goes' },
    weights: { type: 'numbers', help: 'one weight an adapter [1 each]' },
    base: { type: 'text', value: 'MODEL', help: 'their base model [what the first one says]' },
    combination_type: { type: 'text', value: 'TYPE', help: 'how adapters of LoRA become one [svd]', choices: TYPES },
    svd_rank: { type: 'number', help: 'the rank of an svd result [the largest of the adapters]' },
    svd_clamp: { type: 'number', help: 'cuts the values of an svd result at this quantile of theirs' },
    density: { type: 'number', help: 'the share of values that pruning keeps; for ties, dare and magnitude_prune' },
    majority_sign_method: { type: 'text', value: 'HOW', help: 'how ties elect a sign', choices: ['total', 'frequency'] },
    ...engineOptions,
  },
  examples: ['combine out/a out/b --weights 0.7,0.3 --combination_type ties --density 0.5 --out out/both'],

  async run({ adapters, out, weights = adapters.map(() => 1), base: given, ...values }, output) {
    const [where, ...others] = adapters;
    if (where === undefined) throw new UsageError('ADAPTERS is missing');
    if (weights.length !== adapters.length)
      throw new UsageError(`${adapters.length} adapters and ${weights.length} weights: give one weight an adapter`);
    await startEngine(values, output);
    const { source, config, base: from } = await openAdapter(where, given, output);
    const baseConfig = (await readJson(from, 'config.json')) as Record<string, unknown>;
    const auto = autoOf(config.task_type, baseConfig);
    const head = await headOptions(source, from, config);
    // Only DoRA looks at the base's weights; for all else its shapes do.
    const base = config.use_dora
      ? await showLoading(from, output, (watched) => auto.fromPretrained(watched, head))
      : await auto.fromConfig(baseConfig, { ...head });
    const tuners = [await loadTuner(config.peft_type)];
    const names = adapters.map((_, i) => `adapter_${i}`);
    const model = await PeftModel.fromPretrained(base, source, { adapterName: names[0] as string, tuners });
    for (const [i, other] of others.entries())
      await model.loadAdapter((await openAdapter(other, given, output)).source, names[i + 1] as string);
    const { combination_type, svd_rank, svd_clamp, density, majority_sign_method } = values;
    const said = Object.entries({ combination_type, svd_rank, svd_clamp, density, majority_sign_method }).filter(
      ([, value]) => value !== undefined,
    );
    model.addWeightedAdapter(names, weights, 'default', Object.fromEntries(said) as never);
    await model.savePretrained(out, { selectedAdapters: ['default'] });
    output.result({ adapter: out }, `saved ${out}`);
  },
});
