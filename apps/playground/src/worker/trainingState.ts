import { defaultGenerator, memory, readJson, writeSafetensors } from '@peft/core';
import {
  type LoaderState,
  type Optimizer,
  readOptimizerFile,
  readTrainingState,
  type SchedulerState,
  TRAINING_STATE,
  writeOptimizerFile,
} from '@peft/train';
import type { Files, TrainSettings } from '../api';
import type { Adapted } from './studio';
import { toBlobs } from './toBlobs';

/** Where a training stands, beyond its adapter's weights and its optimizer's moments. */
export interface Standing {
  step: number;
  settings: TrainSettings;
  data: LoaderState;
  scheduler: SchedulerState;
  /** Of the generator that dropout draws from. */
  generator: readonly number[];
}

const [OPTIMIZER, STANDING] = ['optimizer.safetensors', 'standing.json'] as const;

/** All that an exact continuation needs beyond PEFT's two files. */
export function saveState(peft: Adapted, optimizer: Optimizer, standing: Omit<Standing, 'generator'>): Files {
  const more = peft.trainingState();
  const whole: Standing = { ...standing, generator: defaultGenerator().getState() };
  return toBlobs({
    [OPTIMIZER]: writeOptimizerFile(optimizer.state()),
    [STANDING]: new TextEncoder().encode(JSON.stringify(whole)),
    ...(Object.keys(more).length > 0 && { [TRAINING_STATE]: writeSafetensors(more) }),
  });
}

/** Puts back what the method itself needs. */
export async function loadState(peft: Adapted, state: Files): Promise<void> {
  if (state[TRAINING_STATE]) peft.loadTrainingState(await readTrainingState(memory(state)));
}

export const readStanding = async (state: Files): Promise<Standing> => (await readJson(memory(state), STANDING)) as Standing;

export const readMoments = (state: Files) => readOptimizerFile(memory(state), OPTIMIZER);
