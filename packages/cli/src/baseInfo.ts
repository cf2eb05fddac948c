import { Conv1D, Embedding, isA, Linear, namedModules, namedParameters } from '@peft/core';
import { autoOf, taskOf } from './tasks';

/** What a model without adapter is, by its config. */
export async function baseInfo(config: Readonly<Record<string, unknown>>) {
  const model = await autoOf(taskOf(config), config).fromConfig(config);
  const parameters = new Set([...namedParameters(model)].map(([, parameter]) => parameter));
  const count = [...parameters].reduce((sum, { role, size }) => sum + (role === 'weight' ? size : 0), 0);
  const namesOf = (isOne: (module: object) => boolean) => [
    ...new Set([...namedModules(model)].filter(([, module]) => isOne(module)).map(([path]) => path.split('.').at(-1) as string)),
  ];
  return {
    model: model.auto_mapping.base_model_class,
    model_type: model.config.model_type,
    task: taskOf(config),
    parameters: count,
    bytes: 4 * count,
    linear: namesOf((module) => isA(module, Linear) || isA(module, Conv1D)).join(', '),
    embeddings: namesOf((module) => isA(module, Embedding)).join(', '),
  };
}
