import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initialize } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { AutoModel, AutoModelForSeq2SeqLM, AutoTokenizer } from '@peft/models';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from './run';

const model = fileURLToPath(new URL('../../../models/sotu-0.9m', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tasks-'));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

/** What a command says, as JSON. */
async function peft(...args: string[]): Promise<Record<string, unknown>[]> {
  const [out, err]: [string[], string[]] = [[], []];
  const stream = (lines: string[]) => ({ write: (text: string) => lines.push(text) });
  const code = await run([...args, '--json', '--quiet'], { stdout: stream(out), stderr: stream(err) });
  expect(err.join(''), args.join(' ')).not.toMatch(/^(?!warning)./m);
  expect(code, err.join('')).toBe(0);
  return out
    .join('')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}
const fast = ['--engine', 'wasm', '--threads', '1'];
const jsonl = (records: object[]) => records.map((record) => JSON.stringify(record)).join('\n');

describe('classification', () => {
  beforeAll(() => {
    const words = (sign: string) => Array.from({ length: 12 }, (_, i) => `${sign} news of the ${['union', 'war', 'people'][i % 3]} ${i}`);
    const rows = [...words('good').map((text) => [text, 'happy']), ...words('bad').map((text) => [text, 'sad'])];
    writeFileSync(at('train.csv'), `sentence,mood\n${rows.map((row) => row.join(',')).join('\n')}\n`);
  });

  it('learns names of classes, keeps them beside the adapter, and uses them', async () => {
    const data = ['--data', at('train.csv'), '--fields', 'text=sentence', '--fields', 'label=mood'];
    const set = ['--set', 'target_modules=all-linear', '--learning_rate', '0.01', '--num_train_epochs', '6'];
    const events = await peft('train', model, '--task', 'SEQ_CLS', ...data, ...set, '--eval', '0.25', '--out', at('mood'), ...fast);
    const last = events.filter(({ event }) => event === 'evaluate').at(-1);
    expect(last?.eval_accuracy).toBe(1);
    expect(last?.eval_f1).toBe(1);
    expect(JSON.parse(readFileSync(at('mood/train_settings.json'), 'utf8')).labels).toEqual(['happy', 'sad']);

    const [measured] = await peft('eval', at('mood'), ...data, ...fast);
    expect(measured).toMatchObject({ examples: 24, eval_accuracy: 1 });
    const said = await peft('generate', at('mood'), '--prompt', 'good news of the union', '--prompt', 'bad news of the war', ...fast);
    expect(said.map(({ scores }) => Object.keys(scores as object)[0])).toEqual(['happy', 'sad']);
    expect(Object.values(said[0]?.scores as object).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
    expect((await peft('info', at('mood')))[0]).toMatchObject({ task: 'SEQ_CLS', fits: true });
  });

  it('brings all of a head that its base does not hold', async () => {
    await useEngine({ engine: 'wasm', log: () => {} });
    const sizes = { vocab_size: 1024, dim: 16, n_layers: 1, n_heads: 2, hidden_dim: 32, max_position_embeddings: 64 };
    const body = await AutoModel.fromConfig({ model_type: 'distilbert', architectures: ['DistilBertModel'], ...sizes });
    initialize(body);
    await body.savePretrained(at('distilbert'));
    await (await AutoTokenizer.fromPretrained(model)).savePretrained(at('distilbert'));
    const data = ['--data', at('train.csv'), '--fields', 'text=sentence', '--fields', 'label=mood', '--task', 'SEQ_CLS'];
    const events = await peft(
      'train',
      at('distilbert'),
      ...data,
      '--eval',
      at('train.csv'),
      '--max_steps',
      '3',
      '--set',
      'target_modules=q_lin,v_lin',
      '--out',
      at('whole'),
      ...fast,
    );
    const trained = events.find(({ event }) => event === 'evaluate')?.eval_loss as number;
    expect(JSON.parse(readFileSync(at('whole/adapter_config.json'), 'utf8')).modules_to_save).toContain('pre_classifier');
    const [loaded] = await peft('eval', at('whole'), ...data.slice(0, 6), ...fast);
    expect(loaded?.eval_loss).toBeCloseTo(trained, 5);
  });

  it('says which fields there are', async () => {
    const err: string[] = [];
    const streams = { stdout: { write: () => {} }, stderr: { write: (text: string) => err.push(text) } };
    const args = ['train', model, '--task', 'SEQ_CLS', '--data', at('train.csv'), '--out', at('x'), ...fast];
    expect(await run(args, streams)).toBe(1);
    expect(err.join('')).toMatch(/record 1: a record needs text and label .*this one has sentence \(string\), mood \(string\)/);
    expect(await run([...args, '--fields', 'text=sentense'], streams)).toBe(2);
    expect(err.join('')).toMatch(/--fields text names the column "sentense"; there are: sentence, mood/);
  });
});

describe('one text from another', () => {
  it('is trained, measured and generated', async () => {
    await useEngine({ engine: 'wasm', log: () => {} });
    const sizes = { vocab_size: 1024, d_model: 32, d_kv: 8, d_ff: 64, num_layers: 1, num_decoder_layers: 1, num_heads: 4 };
    const ids = { decoder_start_token_id: 0, pad_token_id: 0, eos_token_id: 2 };
    const t5 = await AutoModelForSeq2SeqLM.fromConfig({
      model_type: 't5',
      architectures: ['T5ForConditionalGeneration'],
      ...sizes,
      ...ids,
    });
    initialize(t5);
    await t5.savePretrained(at('t5'));
    await (await AutoTokenizer.fromPretrained(model)).savePretrained(at('t5'));
    const records = Array.from({ length: 8 }, (_, i) => ({ q: `union ${i % 2}`, a: i % 2 ? 'war' : 'peace' }));
    writeFileSync(at('pairs.jsonl'), jsonl(records));
    const data = ['--data', at('pairs.jsonl'), '--fields', 'prompt=Say: {q}', '--fields', 'completion=a'];
    const events = await peft('train', at('t5'), ...data, '--max_steps', '3', '--out', at('pairs'), ...fast);
    expect(events[0]).toMatchObject({ task: 'SEQ_2_SEQ_LM', examples: 8 });
    const [measured] = await peft('eval', at('pairs'), ...data, ...fast);
    expect(measured?.eval_perplexity).toBeCloseTo(Math.exp(measured?.eval_loss as number), 6);
    const [said] = await peft('generate', at('pairs'), '--prompt', 'Say: union 1', '--max_new_tokens', '4', ...fast);
    expect(said?.completion).toBeTypeOf('string');
  });
});

describe('language models', () => {
  it('learn completions, conversations and joined texts', async () => {
    cpSync(model, at('chat'), { recursive: true });
    const config = JSON.parse(readFileSync(at('chat/tokenizer_config.json'), 'utf8'));
    const chat_template =
      '{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}';
    writeFileSync(at('chat/tokenizer_config.json'), JSON.stringify({ ...config, chat_template }));
    const turn = (role: string, content: string) => ({ role, content });
    writeFileSync(
      at('mixed.jsonl'),
      jsonl([
        { prompt: 'The state of the union is', completion: ' strong' },
        { messages: [turn('user', 'How is it?'), turn('assistant', 'Strong.')] },
        { text: 'The people are free.' },
        { prompt: 'far too long '.repeat(200), completion: 'lost' },
      ]),
    );
    const err: string[] = [];
    const streams = { stdout: { write: () => {} }, stderr: { write: (text: string) => err.push(text) } };
    const args = ['train', at('chat'), '--data', at('mixed.jsonl'), '--max_steps', '2', '--out', at('mixed'), ...fast];
    expect(await run(args, streams), err.join('')).toBe(0);
    expect(err.join('')).toContain('1 of 4 records are left out');
    writeFileSync(at('texts.jsonl'), jsonl(Array.from({ length: 10 }, () => ({ text: 'The people are free. '.repeat(4) }))));
    const [start] = await peft(
      'train',
      model,
      '--data',
      at('texts.jsonl'),
      '--pack',
      '--max_length',
      '32',
      '--max_steps',
      '1',
      '--out',
      at('packed'),
      ...fast,
    );
    expect(start?.examples).toBeGreaterThan(5);
    expect(start?.examples).not.toBe(10);
    const [said] = await peft('generate', at('mixed'), '--prompt', 'How is it?', '--chat', '--max_new_tokens', '4', ...fast);
    expect(said?.completion).toBeTypeOf('string');
  });
});
