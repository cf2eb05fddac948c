import '@tensorflow/tfjs-backend-wasm';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getPeftModel, initialize, manualSeed } from '@peft/core';
import { AutoModelForCausalLM } from '@peft/models';
import { Trainer, type TrainerArgs, type TrainerCallback } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { adaLoraConfig } from './index';

const llama = {
  model_type: 'llama',
  vocab_size: 31,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  initializer_range: 0.3,
};
const examples = Array.from({ length: 8 }, (_, i) => {
  const ids = Array.from({ length: 6 }, (_, t) => (i * 7 + t * 3) % 31);
  return { input_ids: ids, labels: ids };
});
const build = async (orth_reg_weight = 0.5) => {
  manualSeed(3);
  const base = await AutoModelForCausalLM.fromConfig(llama as never);
  initialize(base);
  return getPeftModel(
    base,
    adaLoraConfig({
      task_type: 'CAUSAL_LM',
      init_r: 4,
      target_r: 2,
      total_step: 12,
      tinit: 2,
      tfinal: 3,
      deltaT: 2,
      lora_dropout: 0.1,
      orth_reg_weight,
    }),
  );
};
type Model = Awaited<ReturnType<typeof build>>;
const values = (model: Model) => Object.values(model.adapterState()).map(({ value }) => Array.from(value.dataSync()));

let folder = '';
beforeAll(async () => {
  await tf.setBackend('wasm');
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'adalora-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const make = (model: Model, args: Partial<TrainerArgs>, callbacks: TrainerCallback[] = []) =>
  new Trainer({
    model,
    args: { disable_tqdm: true, per_device_train_batch_size: 4, learning_rate: 0.02, max_steps: 12, output_dir: folder, ...args },
    train_dataset: examples,
    eval_dataset: examples.slice(0, 3),
    callbacks,
  });

describe('AdaLoRA in the Trainer', () => {
  it('cuts ranks without being asked to', async () => {
    const model = await build();
    await make(model, { save_strategy: 'no' }).train();
    const left = Object.values(model.peftConfig.default?.rank_pattern ?? {}).flat();
    expect([left.length, left.filter(Boolean).length]).toEqual([16, 8]);
    expect(
      values(model)
        .flat()
        .filter((value) => value === 0),
    ).toHaveLength(8);
    model.dispose();
  });

  it.each([5, 8, 10])('goes on from the checkpoint of step %i to the bit: what was cut, and how important all is', async (step) => {
    const whole = await build();
    await make(whole, { save_strategy: 'no' }).train();
    const first = await build();
    await make(first, { save_steps: step }, [{ onStepEnd: ({ state, stop }) => state.global_step === step && stop() }]).train();
    const second = await build();
    await make(second, { save_strategy: 'no' }).train({ resume_from_checkpoint: true });
    expect(values(second)).toEqual(values(whole));
    expect(second.peftConfig.default?.rank_pattern).toEqual(whole.peftConfig.default?.rank_pattern);
    for (const model of [whole, first, second]) model.dispose();
  });

  it('takes the best checkpoint back, whose ranks are others', async () => {
    // The orthogonality term of what is cut would be in the loss before saving, and not after.
    const model = await build(0);
    const trainer = make(model, {
      eval_strategy: 'steps',
      eval_steps: 4,
      save_steps: 4,
      learning_rate: 0.3,
      load_best_model_at_end: true,
      greater_is_better: true, // the first, which is the worst
    });
    await trainer.evaluate();
    const before = tf.memory().numTensors;
    await trainer.train();
    const losses = trainer.state.log_history.flatMap(({ eval_loss }) => eval_loss ?? []);
    expect((await trainer.evaluate()).eval_loss).toBeCloseTo(Math.max(...losses), 4);
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });
});
