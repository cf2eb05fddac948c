import type { Optimizer } from './Optimizer';

export interface SchedulerState {
  step: number;
  /** The learning rate that the schedule scales. */
  lr: number;
}

/** Sets an optimizer's learning rate as training goes on. */
export interface Scheduler {
  /** The learning rate now. */
  readonly lr: number;
  /** To be called once after each `optimizer.step()`. */
  step(): void;
  state(): SchedulerState;
  load(state: SchedulerState): void;
}

export interface WarmupOptions {
  /** Steps over which the rate rises from 0. @default 0 */
  warmupSteps?: number;
}

export interface DecayOptions extends WarmupOptions {
  /** Steps of the whole training, warm-up included. */
  totalSteps: number;
}

export interface CosineOptions extends DecayOptions {
  /** Waves of the cosine. @default 0.5, from the full rate down to 0 */
  cycles?: number;
}

/** The full rate, after a warm-up. */
export function constantSchedule(optimizer: Optimizer, { warmupSteps = 0 }: WarmupOptions = {}): Scheduler {
  return schedule(optimizer, (step) => (step < warmupSteps ? step / warmupSteps : 1));
}

/** Up in the warm-up, then straight down to 0 at `totalSteps`. */
export function linearSchedule(optimizer: Optimizer, { warmupSteps = 0, totalSteps }: DecayOptions): Scheduler {
  return schedule(optimizer, (step) =>
    step < warmupSteps ? step / warmupSteps : Math.max(0, (totalSteps - step) / Math.max(1, totalSteps - warmupSteps)),
  );
}

/** Up in the warm-up, then down along a cosine to 0 at `totalSteps`. */
export function cosineSchedule(optimizer: Optimizer, { warmupSteps = 0, totalSteps, cycles = 0.5 }: CosineOptions): Scheduler {
  return schedule(optimizer, (step) => {
    if (step < warmupSteps) return step / warmupSteps;
    const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
    return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress)));
  });
}

/** Any schedule: `factor` of the number of steps done, times the rate that the optimizer has now. */
export function schedule(optimizer: Optimizer, factor: (step: number) => number): Scheduler {
  let base = optimizer.lr;
  let done = 0;
  const apply = () => {
    optimizer.lr = base * factor(done);
  };
  apply();
  return {
    get lr() {
      return optimizer.lr;
    },
    step() {
      done++;
      apply();
    },
    state: () => ({ step: done, lr: base }),
    load(state) {
      done = state.step;
      base = state.lr;
      apply();
    },
  };
}
