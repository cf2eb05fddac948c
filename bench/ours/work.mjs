// What is measured on our side: work.mjs KIND JSON. Answers each line "sample" with a line of JSON; what a fresh process is
// measured for is answered once, unasked.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { getPeftModel, manualSeed } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import * as models from '@peft/models';

const [kind, json] = process.argv.slice(2);
const job = JSON.parse(json);
const peakMb = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
const answer = (value) => console.log(JSON.stringify(value));

const methods = {
  lora: async ({ rank = 8, ...own }) => (await import('@peft/lora')).loraConfig({ r: rank, lora_alpha: 16, ...own }),
  ia3: async ({ target_modules: _, fan_in_fan_out: __, ...own }) => (await import('@peft/ia3')).ia3Config(own),
  prefix: async ({ task_type }) => (await import('@peft/prefix')).prefixTuningConfig({ task_type, num_virtual_tokens: 20 }),
  'prompt-tuning': async ({ task_type }) => (await import('@peft/prompt-tuning')).promptTuningConfig({ task_type, num_virtual_tokens: 20 }),
};

/** The model with a fresh adapter. */
async function adapted() {
  const { folder, auto, task_type, lora, method = 'lora', rank } = job;
  manualSeed(0);
  const base = await models[auto].fromPretrained(folder);
  return getPeftModel(base, await methods[method]({ task_type, ...lora, ...(rank && { rank }) }));
}

/** A function that takes one training step and gives its loss. */
async function trainer() {
  const { adamW } = await import('@peft/train');
  const model = (await adapted()).train();
  const optimizer = adamW(model, { lr: 1e-4 });
  return (batch) => {
    const loss = optimizer.backward(() => model.forward(batch).loss);
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  };
}

/** A function that computes a mixed batch by a model of many adapters, and gives a logit. */
async function crowded() {
  const model = (await adapted()).eval();
  for (let i = 0; i < job.adapters; i++) model.addAdapter(`a${i}`, model.peftConfig.default);
  const adapter_names = job.rows.map((i) => `a${i}`);
  return async () => {
    const { tidy } = await import('@tensorflow/tfjs-core');
    const logits = tidy(() => model.forward({ ...job.batch, adapter_names }).logits);
    const [value] = await logits.data();
    logits.dispose();
    return value;
  };
}

const kinds = {
  async step() {
    const step = await trainer();
    return () => {
      const started = performance.now();
      const loss = step(job.batch);
      // Prompts start from random values of each side's own.
      return { ms: performance.now() - started, ...(['lora', 'ia3', undefined].includes(job.method) && { check: loss }) };
    };
  },
  async epoch() {
    const step = await trainer();
    const batches = JSON.parse(readFileSync(job.data, 'utf8'));
    return () => {
      const started = performance.now();
      const losses = batches.map(step);
      return { ms: performance.now() - started, check: losses[0] };
    };
  },
  async decode() {
    const model = (await adapted()).eval();
    return async () => {
      const started = performance.now();
      const [ids] = await model.generate({ input_ids: [job.prompt], max_new_tokens: job.tokens, do_sample: false, eos_token_id: null });
      return { ms: (performance.now() - started) / job.tokens, check: ids.slice(job.prompt.length) };
    };
  },
  async 'adapter-load'() {
    const model = await adapted();
    return async () => {
      const started = performance.now();
      await model.loadAdapter(job.adapter, 'other');
      const ms = performance.now() - started;
      model.deleteAdapter('other');
      return { ms };
    };
  },
  async 'adapter-switch'() {
    const model = await adapted();
    await model.loadAdapter(job.adapter, 'other');
    return () => {
      const started = performance.now();
      model.setAdapter('other');
      model.setAdapter('default');
      return { ms: (performance.now() - started) / 2 };
    };
  },
  async 'adapter-merge'() {
    const model = await adapted();
    await model.loadAdapter(job.adapter, 'other');
    model.setAdapter('other');
    return () => {
      const started = performance.now();
      model.mergeAdapter();
      const ms = performance.now() - started;
      model.unmergeAdapter();
      return { ms };
    };
  },
  async 'mixed-batch'() {
    const request = await crowded();
    return async () => {
      const started = performance.now();
      const check = await request();
      return { ms: performance.now() - started, check };
    };
  },
  async 'memory-adapters'() {
    answer({ check: await (await crowded())(), peakMb: peakMb() });
  },
  async 'cold-token'() {
    const model = (await adapted()).eval();
    const [ids] = await model.generate({ input_ids: [job.prompt], max_new_tokens: 1, do_sample: false, eos_token_id: null });
    answer({ check: ids.at(-1), peakMb: peakMb() });
  },
  async 'cold-step'() {
    const loss = (await trainer())(job.batch);
    answer({ check: loss, peakMb: peakMb() });
  },
  async 'memory-train'() {
    const step = await trainer();
    const [first] = Array.from({ length: 3 }, () => step(job.batch));
    answer({ check: first, peakMb: peakMb() });
  },
  async 'memory-generate'() {
    const model = (await adapted()).eval();
    const [ids] = await model.generate({ input_ids: [job.prompt], max_new_tokens: job.tokens, do_sample: false, eos_token_id: null });
    answer({ check: ids.slice(job.prompt.length), peakMb: peakMb() });
  },
};

await useEngine({
  purpose: kind === 'decode' || kind.startsWith('cold') ? 'inference' : 'training',
  engine: job.engine,
  log: (line) => console.error(line),
});
const sample = await kinds[kind]();
if (sample) {
  const { memory } = await import('@tensorflow/tfjs-core');
  answer({ ready: true });
  for await (const _ of createInterface({ input: process.stdin })) answer({ ...(await sample()), tensors: memory().numTensors });
}
