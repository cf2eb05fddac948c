import { Parameter } from '@peft/core';
import { expect, it } from 'vitest';
import { adamW } from './adamW';
import reference from './fixtures/reference.json';
import type { Optimizer } from './Optimizer';
import { constantSchedule, cosineSchedule, linearSchedule, type Scheduler } from './schedules';

const cases: [keyof typeof reference.schedules, (optimizer: Optimizer) => Scheduler][] = [
  ['linear', (optimizer) => linearSchedule(optimizer, { warmupSteps: 3, totalSteps: 10 })],
  ['linear0', (optimizer) => linearSchedule(optimizer, { totalSteps: 10 })],
  ['cosine', (optimizer) => cosineSchedule(optimizer, { warmupSteps: 3, totalSteps: 10 })],
  ['cosine2', (optimizer) => cosineSchedule(optimizer, { warmupSteps: 2, totalSteps: 10, cycles: 1.5 })],
  ['constant', (optimizer) => constantSchedule(optimizer, { warmupSteps: 4 })],
];

it.each(cases)('%s gives the rates of transformers, also when it goes on from its state', (name, make) => {
  const expected = reference.schedules[name];
  const optimizer = adamW([new Parameter([1])], { lr: 2e-3 });
  let scheduler = make(optimizer);
  expected.forEach((rate, step) => {
    expect(Math.abs(optimizer.lr - rate)).toBeLessThan(1e-12);
    expect(scheduler.lr).toBe(optimizer.lr);
    if (step === 4) {
      const state = scheduler.state();
      optimizer.lr = 7;
      scheduler = make(optimizer);
      scheduler.load(state);
    }
    scheduler.step();
  });
});
