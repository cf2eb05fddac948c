import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { UsageError } from './options';
import { parseOptions } from './parseOptions';

const options = {
  model: { type: 'text', positional: true, required: true, help: '' },
  others: { type: 'list', positional: true, help: '' },
  max_steps: { type: 'number', help: '', default: 3 },
  weights: { type: 'numbers', help: '' },
  method: { type: 'text', help: '', choices: ['lora', 'ia3'] },
  set: { type: 'settings', help: '' },
  resume: { type: 'flag', help: '' },
} as const;
const parse = (...argv: string[]) => parseOptions(options, argv);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'options-'));
});
afterAll(() => rm(folder, { recursive: true }));
const file = async (content: unknown) => {
  const path = join(folder, 'config.json');
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

it('reads places, flags in both spellings, lists and settings', async () => {
  expect(await parse('m', '--max-steps', '12', 'a', '--weights=-1,0.5', 'b', '--resume', '--method=ia3')).toMatchObject({
    model: 'm',
    others: ['a', 'b'],
    max_steps: 12,
    weights: [-1, 0.5],
    resume: true,
    method: 'ia3',
    json: false,
  });
  const { set, max_steps } = await parse('--set', 'r=8', '--set', 'target_modules=q_proj,v_proj', '--set', 'text=a=b', '--model', 'm');
  expect(set).toEqual({ r: 8, target_modules: ['q_proj', 'v_proj'], text: 'a=b' });
  expect(max_steps).toBe(3);
  // What looks like a regular expression stays one text.
  expect((await parse('m', '--set', 'target_modules=.*(q|v)_proj', '--set', 'on=true', '--set', 'none=null')).set).toEqual({
    target_modules: '.*(q|v)_proj',
    on: true,
    none: null,
  });
});

it('takes a file, and the line over it', async () => {
  const config = await file({ model: 'm', max_steps: 5, set: { r: 4, lora_alpha: 8 }, resume: true, method: 'lora', weights: [1, 2] });
  expect(await parse('--config', config)).toMatchObject({ model: 'm', max_steps: 5, weights: [1, 2], resume: true });
  const over = await parse('other', '--config', config, '--set', 'r=2', '--resume=false', '--max_steps', '6');
  expect(over).toMatchObject({ model: 'other', max_steps: 6, set: { r: 2, lora_alpha: 8 }, resume: false });
});

it('says all that is wrong', async () => {
  await expect(parse('--max_steps', 'x', '--method', 'magic', '--set', 'r')).rejects.toThrow(
    'MODEL is missing\n--max_steps must be a number, not "x"\n--method must be one of lora, ia3, not "magic"\n--set takes name=value, not "r"',
  );
  await expect(parse('m', '--nope')).rejects.toThrow(UsageError);
  await expect(parse('m', '--config', await file({ nope: 1 }))).rejects.toThrow(/unknown names: nope; there are model, others, max_steps/);
  await expect(parse('m', '--config', await file({ max_steps: '1', resume: 'yes', others: [1] }))).rejects.toThrow(
    '--resume must be true or false, not "yes"',
  );
  for (const content of ['[]', '{', 'null']) await expect(parse('m', '--config', await file(content))).rejects.toThrow(UsageError);
});

it('does not ask for anything where help is asked for', async () => {
  expect((await parse('--help')).help).toBe(true);
  expect((await parse('-h')).help).toBe(true);
});
