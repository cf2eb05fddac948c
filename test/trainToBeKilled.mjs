// Trains a tiny model and says each step on standard output: node test/trainToBeKilled.mjs <folder> <method> <engine> <threads>
// Goes on from the newest checkpoint in the folder, if there is one, and at its end writes the adapter to <folder>/end.
import { writeSync } from 'node:fs';
import { adaLoraConfig } from '@peft/adalora';
import { getPeftModel, initialize, manualSeed } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { loraConfig } from '@peft/lora';
import { AutoModelForCausalLM } from '@peft/models';
import { listCheckpoints, Trainer } from '@peft/train';

const [folder, method, engine, threads] = process.argv.slice(2);
const steps = 24;
const common = { task_type: 'CAUSAL_LM', target_modules: 'all-linear', lora_dropout: 0.1 };
const configs = {
  lora: () => loraConfig({ ...common, r: 4 }),
  adalora: () => adaLoraConfig({ ...common, init_r: 4, target_r: 2, total_step: steps, tinit: 3, tfinal: 6, deltaT: 2 }),
};

await useEngine({ engine, threads: Number(threads), log: () => {} });
manualSeed(3);
const base = await AutoModelForCausalLM.fromConfig({
  model_type: 'llama',
  vocab_size: 64,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  initializer_range: 0.3,
});
initialize(base);
const model = getPeftModel(base, configs[method]());
const ids = (i) => Array.from({ length: 12 }, (_, t) => (i * 7 + t * t * 3) % 64);
const trainer = new Trainer({
  model,
  args: {
    output_dir: folder,
    max_steps: steps,
    per_device_train_batch_size: 2,
    gradient_accumulation_steps: 2,
    learning_rate: 0.02,
    weight_decay: 0.1,
    warmup_steps: 4,
    lr_scheduler_type: 'cosine',
    logging_steps: 3,
    save_steps: 2,
    save_total_limit: 2,
    disable_tqdm: true,
  },
  train_dataset: Array.from({ length: 18 }, (_, i) => ({ input_ids: ids(i), labels: ids(i) })),
  callbacks: [{ onStepEnd: ({ state }) => writeSync(1, `${state.global_step}\n`) }],
});
await trainer.train({ resume_from_checkpoint: (await listCheckpoints(folder)).length > 0 });
await model.savePretrained(`${folder}/end`);
