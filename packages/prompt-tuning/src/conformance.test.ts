import { conformance, useTestedEngine } from '@peft/testing';
import { beforeAll, describe, it } from 'vitest';
import { promptTuning, promptTuningConfig } from './index';
import { cases, createModel, createShapes, unloads } from './models.testing';

beforeAll(() => useTestedEngine());

describe.each(cases)('prompt tuning on $name', (one) => {
  const method = {
    tuner: promptTuning,
    config: () => promptTuningConfig({ task_type: one.task_type, num_virtual_tokens: 3 }),
    createShapes: () => createShapes(one),
    createModel: () => createModel(one),
    batch: one.batch,
    startsAsIdentity: false,
    skip: unloads(one),
  };
  for (const { name, skip, run } of conformance(method as never)) (skip ? it.skip : it)(name, run);
});
