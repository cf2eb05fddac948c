import { defaultGenerator, pause } from '@peft/core';
import type { TextTokenizer } from '@peft/models';
import { adamW, dataCollatorForLanguageModeling, dataLoader, linearSchedule } from '@peft/train';
import type { Files, Told, TrainResult, TrainSettings } from '../api';
import { filesOf, infoOf } from './adapters';
import type { Blocks } from './blocks';
import type { Adapted } from './studio';
import { readMoments, readStanding, saveState } from './trainingState';

export interface Training {
  peft: Adapted;
  tokenizer: TextTokenizer;
  blocks: Blocks;
  settings: TrainSettings;
  /** Where a training stood that goes on. */
  state: Files | null;
  signal: AbortSignal;
  tell(told: Told): void;
}

/** Steps until all are done or the signal says stop; what it gives can be gone on with, exactly. */
export async function train({ peft, tokenizer, blocks, settings, state, signal, tell }: Training): Promise<TrainResult> {
  const { steps, learning_rate: lr, batch_size, seed } = settings;
  const optimizer = adamW(peft, { lr });
  const scheduler = linearSchedule(optimizer, { warmupSteps: Math.min(10, Math.ceil(steps / 10)), totalSteps: steps });
  const loader = dataLoader(blocks.train, {
    batch_size,
    shuffle: true,
    seed,
    collate: dataCollatorForLanguageModeling(tokenizer),
    dropLast: blocks.train.length >= batch_size,
  });
  let step = 0;
  try {
    if (state) {
      const standing = await readStanding(state);
      step = standing.step;
      optimizer.load({ lr: optimizer.lr, parameters: await readMoments(state) });
      scheduler.load(standing.scheduler);
      loader.load(standing.data);
      defaultGenerator().setState(standing.generator);
    }
    peft.train();
    while (step < steps && !signal.aborted)
      for await (const batch of loader) {
        const begun = performance.now();
        const loss = await optimizer.backwardAsync(() => peft.forward(batch).loss);
        optimizer.step();
        step++;
        peft.afterOptimizerStep(step, optimizer.gradients);
        scheduler.step();
        optimizer.zeroGrad();
        const tokens = batch.input_ids.reduce((sum, row) => sum + row.length, 0);
        tell({ kind: 'step', step, steps, loss, tokens, seconds: (performance.now() - begun) / 1000 });
        if (!Number.isFinite(loss))
          throw new Error(`the loss is ${loss} at step ${step}: the learning rate ${lr} is too high for this method`);
        await pause(); // lets messages in, such as the one that says stop
        if (step >= steps || signal.aborted) break;
      }
    peft.eval();
    return {
      files: await filesOf(peft),
      info: infoOf(peft),
      state: saveState(peft, optimizer, { step, settings, data: loader.state(), scheduler: scheduler.state() }),
      step,
      steps,
    };
  } finally {
    peft.eval();
    optimizer.dispose();
  }
}
