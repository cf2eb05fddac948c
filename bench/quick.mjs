// Counts what a training step and a generated token cost, in kernels and tensors: no times, so that it holds on any machine.
//   node bench/quick.mjs [--update]   --update records today's counts in bench/counts.json
import { readFileSync, writeFileSync } from 'node:fs';
import { getPeftModel, initialize, manualSeed } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { loraConfig } from '@peft/lora';
import * as models from '@peft/models';
import { adamW } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';

const file = new URL('counts.json', import.meta.url);
const shapes = JSON.parse(readFileSync(new URL('shapes.json', import.meta.url), 'utf8'));
/** The shapes of the benchmarks with two small layers: kernels are counted a layer, whatever its width. */
const small = {
  gpt2: { n_embd: 32, n_head: 2, n_layer: 2, vocab_size: 97, n_positions: 64 },
  llama: { hidden_size: 32, intermediate_size: 48, num_attention_heads: 2, num_key_value_heads: 2, num_hidden_layers: 2, vocab_size: 97 },
  bert: { hidden_size: 32, intermediate_size: 48, num_attention_heads: 2, num_hidden_layers: 2, vocab_size: 97 },
};
const input_ids = [1, 2].map((row) => Array.from({ length: 12 }, (_, t) => (row * 31 + t * 7) % 97));

/** Kernels that ran, and by how many tensors more there are afterwards. */
async function count(work) {
  const before = tf.memory().numTensors;
  const { kernels } = await tf.engine().profile(async () => {
    await work();
    return tf.scalar(0);
  });
  // `forward` is the profiler's name for an operation with a gradient of its own: its kernels are counted by themselves.
  const real = kernels.filter(({ name }) => !['Identity', 'forward', 'unnamed scope'].includes(name));
  return { kernels: real.length, tensors: tf.memory().numTensors - before - 1 };
}

async function countsOf(shape) {
  const { auto, task_type, lora, config } = shapes[shape];
  manualSeed(0);
  const base = await models[auto].fromConfig({ ...config, ...small[shape] });
  initialize(base);
  const model = getPeftModel(base, loraConfig({ task_type, r: 4, lora_alpha: 8, ...lora })).train();
  const optimizer = adamW(model, { lr: 1e-3 });
  const labels = shape === 'bert' ? [0, 1] : input_ids;
  const step = () => {
    optimizer.backward(() => model.forward({ input_ids, labels }).loss);
    optimizer.step();
    optimizer.zeroGrad();
  };
  step();
  const counts = { step: await count(step) };
  if (task_type === 'CAUSAL_LM') {
    model.eval();
    const generate = (tokens) => () => model.generate({ input_ids, max_new_tokens: tokens, do_sample: false, eos_token_id: null });
    const [few, more] = [await count(generate(2)), await count(generate(3))];
    counts.token = { kernels: more.kernels - few.kernels, tensors: more.tensors };
  }
  optimizer.dispose();
  model.dispose();
  return counts;
}

await useEngine({ engine: 'wasm', log: () => {} });
const counts = {};
for (const shape of Object.keys(small)) counts[shape] = await countsOf(shape);
const kernelsOnly = (all) => Object.fromEntries(Object.entries(all).map(([what, { kernels }]) => [what, kernels]));
const today = Object.fromEntries(Object.entries(counts).map(([shape, all]) => [shape, kernelsOnly(all)]));
if (process.argv.includes('--update')) writeFileSync(file, `${JSON.stringify(today, null, 2)}\n`);
const recorded = JSON.parse(readFileSync(file, 'utf8'));
const problems = Object.entries(counts).flatMap(([shape, all]) =>
  Object.entries(all).flatMap(([what, { kernels, tensors }]) => {
    const most = recorded[shape]?.[what] ?? 0;
    console.log(`${shape} ${what}: ${kernels} kernels (at most ${most}), ${tensors} tensors left over`);
    return [
      ...(kernels > most ? [`a ${what} of ${shape} runs ${kernels} kernels, ${most} are recorded`] : []),
      ...(tensors !== 0 ? [`a ${what} of ${shape} leaves ${tensors} tensors behind`] : []),
    ];
  }),
);
if (problems.length > 0) {
  console.error(`${problems.join('\n')}\nIf that is meant: node bench/quick.mjs --update`);
  process.exit(1);
}
