// Trains a tiny model on an engine and says what came out as a line of JSON: node test/trainOnEngine.mjs <engine>
import { getPeftModel, initialize, manualSeed } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { loraConfig } from '@peft/lora';
import { AutoModelForCausalLM } from '@peft/models';
import { adamW } from '@peft/train';

const { description } = await useEngine({ engine: process.argv[2], log: () => {} });
manualSeed(3);
const base = await AutoModelForCausalLM.fromConfig({
  model_type: 'llama',
  vocab_size: 64,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  initializer_range: 0.3,
});
initialize(base);
const model = getPeftModel(base, loraConfig({ task_type: 'CAUSAL_LM', target_modules: 'all-linear', r: 4 })).train();
const input_ids = [0, 1].map((row) => Array.from({ length: 12 }, (_, t) => (row * 7 + t * t * 3) % 64));
const attention_mask = input_ids.map((ids, row) => ids.map((_, t) => Number(row === 0 || t < 8)));
const optimizer = adamW(model, { lr: 0.02 });
const losses = [];
for (let step = 0; step < 5; step++) {
  losses.push(await optimizer.backwardAsync(() => model.forward({ input_ids, attention_mask, labels: input_ids }).loss));
  optimizer.step();
  optimizer.zeroGrad();
}
model.eval();
const { logits } = model.forward({ input_ids, attention_mask });
const [ids] = await model.generate({ input_ids: [input_ids[0]], max_new_tokens: 8, do_sample: false });
console.log(JSON.stringify({ description, losses, logits: [...(await logits.data())], ids }));
process.exit(0); // A graphics card's library would keep the process.
