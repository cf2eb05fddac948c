import type { Optimizer } from './Optimizer';
import { constantSchedule, cosineSchedule, linearSchedule, type Scheduler } from './schedules';
import type { TrainerArgs } from './TrainerArgs';
import type { TrainingSetup } from './TrainerState';

/** As in transformers: biases and the weights of norms do not decay. */
export const isDecayed = (name: string): boolean =>
  !/bias|layernorm|rmsnorm|(^|\.)norm\d*($|\.)|(^|\.)ln_\w+($|\.)|_norm($|\.)/i.test(name);

/** The schedule that the arguments ask for. */
export function makeScheduler(optimizer: Optimizer, args: TrainerArgs, totalSteps: number): Scheduler {
  const warmupSteps = args.warmup_steps > 0 ? args.warmup_steps : Math.ceil(totalSteps * args.warmup_ratio);
  switch (args.lr_scheduler_type) {
    case 'linear':
      return linearSchedule(optimizer, { warmupSteps, totalSteps });
    case 'cosine':
      return cosineSchedule(optimizer, { warmupSteps, totalSteps });
    case 'constant':
      return constantSchedule(optimizer);
    case 'constant_with_warmup':
      return constantSchedule(optimizer, { warmupSteps });
  }
}

/** What is not as it was when the checkpoint was written. */
export const misfits = (before: TrainingSetup, now: TrainingSetup): string[] =>
  (Object.keys(now) as (keyof TrainingSetup)[])
    .filter((name) => before[name] !== now[name])
    .map((name) => `${name} was ${before[name]} and is ${now[name]}`);
