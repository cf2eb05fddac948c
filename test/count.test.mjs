// The numbers of PEFT's guides, from the models' config files alone.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatCount, setWarningHandler } from '@peft/core';
import { modelOfShapes } from '../scripts/lib/modelOfShapes.mjs';
import { node } from '../scripts/run.mjs';
import { root } from '../scripts/workspace.mjs';

const configs = join(root, 'fixtures/configs');
const configOf = (name) => JSON.parse(readFileSync(join(configs, name, 'config.json'), 'utf8'));
setWarningHandler(() => {});

const lora = { peft_type: 'LORA', r: 8 };
const guides = [
  ['bigscience--mt0-large', { ...lora, task_type: 'SEQ_2_SEQ_LM' }, 2359296, 1231940608, '0.19151053100118282'],
  ['t5-large', { peft_type: 'PREFIX_TUNING', num_virtual_tokens: 20, task_type: 'SEQ_2_SEQ_LM' }, 983040, 738651136, '0.13308583065659835'],
  [
    'bigscience--bloomz-560m',
    { peft_type: 'PROMPT_TUNING', num_virtual_tokens: 8, task_type: 'CAUSAL_LM' },
    8192,
    559222784,
    '0.0014648902430985358',
  ],
  [
    'google--vit-base-patch16-224-in21k',
    { peft_type: 'LORA', r: 16, target_modules: ['query', 'value'], modules_to_save: ['classifier'] },
    667493,
    86466149,
    '0.7719703117574949',
  ],
  [
    'openai--whisper-large-v2',
    { ...lora, r: 32, lora_alpha: 64, target_modules: ['q_proj', 'v_proj'] },
    15728640,
    1559033600,
    '1.0088711365810203',
  ],
];
for (const [name, adapter, trainable, all, percent] of guides)
  test(`${adapter.peft_type} on ${name}`, async () => {
    const counts = (await modelOfShapes(configOf(name), adapter)).getNbTrainableParameters();
    assert.deepEqual(counts, [trainable, all]);
    assert.equal(formatCount(...counts), `trainable params: ${trainable} || all params: ${all} || trainable%: ${percent}`);
  });

// What Python PEFT 0.21 counts on the class of the task, or where there is none on the model's own.
const classes = [
  ['gpt2', { ...lora, task_type: 'CAUSAL_LM' }, [294912, 124734720]],
  ['gpt2', { ...lora, task_type: 'FEATURE_EXTRACTION' }, [294912, 124734720]],
  ['bert-base-uncased', lora, [294912, 109778690]],
  ['bert-base-uncased', { ...lora, task_type: 'SEQ_CLS' }, [296450, 109778690]],
  ['bert-base-uncased', { ...lora, task_type: 'FEATURE_EXTRACTION' }, [294912, 109777152]],
  // Python counts the decode head twice.
  [
    'nvidia--mit-b0',
    { ...lora, r: 32, target_modules: ['query', 'value'], bias: 'lora_only', modules_to_save: ['decode_head'] },
    [566422, 3883766],
  ],
];
for (const [name, adapter, expected] of classes)
  test(`${name} for ${adapter.task_type ?? 'no task'}`, async () =>
    assert.deepEqual((await modelOfShapes(configOf(name), adapter)).getNbTrainableParameters(), expected));

test('npm run count prints them, or says what is wrong', () => {
  const folder = mkdtempSync(join(tmpdir(), 'count-'));
  const file = join(folder, 'adapter_config.json');
  const count = () => node(['scripts/count.mjs', join(configs, 'gpt2/config.json'), file], { quiet: true });
  try {
    writeFileSync(file, JSON.stringify(lora));
    assert.equal(count(), 'trainable params: 294912 || all params: 124734720 || trainable%: 0.23643136409814364\n');
    writeFileSync(file, JSON.stringify({ peft_type: 'NO_SUCH_METHOD' }));
    assert.throws(count, /no method is known for peft_type "NO_SUCH_METHOD"/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
