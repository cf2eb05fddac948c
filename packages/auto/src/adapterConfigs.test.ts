import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type AnyTuner, folder, makeConfig, readJson, setWarningHandler } from '@peft/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadTuner } from './loadTuner';

type Config = Record<string, unknown>;

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** Configs of our own, a peculiarity each, and what Python PEFT 0.21 reads them as; `make.py` there wrote them. */
const ours = `${root}fixtures/adapter_configs`;
/** Configs found in public repositories, which are not ours to ship. */
const found = `${root}../shared/data/adapter_configs`;
const built = ['ADALORA', 'ADAPTION_PROMPT', 'IA3', 'LORA', 'PREFIX_TUNING', 'PROMPT_TUNING'];
const filesOf = (where: string) =>
  existsSync(where)
    ? readdirSync(where)
        .filter((name) => /^\d+\.json$/.test(name))
        .sort()
    : [];

let warnings: string[];
let previous: ReturnType<typeof setWarningHandler>;
beforeEach(() => {
  warnings = [];
  previous = setWarningHandler((message) => warnings.push(message));
});
afterEach(() => void setWarningHandler(previous));

async function read(where: string, file: string): Promise<Config> {
  const raw = (await readJson(folder(where), file)) as Config;
  return makeConfig(await loadTuner(raw.peft_type), raw, { fromFile: true }) as unknown as Config;
}

/** What Python read of a file; undefined where it refused. */
const pythons = (where: string, file: string): Config | undefined => {
  const path = `${where}/${file.replace('.json', '.peft021.json')}`;
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
};

/** A config without order where it has none: of an object's fields, of what is a set in Python. */
const ordered = (value: unknown, name = ''): unknown => {
  if (Array.isArray(value)) return /^(target|exclude|feedforward)_modules/.test(name) ? [...value].sort() : value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, ordered(inner, key)]),
  );
};

/** A config without the fields that only we keep: those that are not Python's. */
const known = (config: Config, python: Config): Config =>
  Object.fromEntries(
    Object.entries(config)
      .filter(([name]) => Object.hasOwn(python, name))
      .map(([name, value]) => {
        const other = python[name];
        const isObject = [value, other].every((one) => typeof one === 'object' && one !== null && !Array.isArray(one));
        return [name, isObject && Object.keys(other as object).length > 0 ? known(value as Config, other as Config) : value];
      }),
  );

async function compare(where: string, file: string, python: Config): Promise<void> {
  const config = await read(where, file);
  expect(ordered(known(config, python))).toEqual(ordered(python));
  const raw = (await readJson(folder(where), file)) as Config;
  const more = Object.keys(config).filter((name) => !Object.hasOwn(python, name));
  for (const name of more) {
    expect(config[name], `${name} is kept as it is`).toEqual(raw[name]);
    expect(warnings.join('\n'), `${name} is warned about`).toContain(name);
  }
}

describe('configs with a peculiarity each', () => {
  it.each(filesOf(ours).filter((file) => built.includes(pythons(ours, file)?.peft_type as string)))(
    '%s is read as Python PEFT reads it',
    (file) => compare(ours, file, pythons(ours, file) as Config),
  );

  // Each with the reason that fixtures/adapter_configs/refused.json gives.
  it.each([
    ['020.json', /has no peft_type/],
    ['021.json', /no method is known for peft_type "NO_SUCH_METHOD"/],
    ['022.json', /task_type must be one of SEQ_CLS, .*not "POETRY"/],
    ['023.json', /layers_pattern needs layers_to_transform/],
    ['024.json', /layers_to_transform cannot be used when target_modules is one string/],
    ['025.json', /eva_config\.rho must be a number from 1 on, not 0.5/],
    ['026.json', /lora_bias works with init_lora_weights true or false only, not "pissa"/],
    ['027.json', /use_dora does not work with megatron_config/],
    ['028.json', /feedforward_modules must be among target_modules, and w is not/],
    ['029.json', /total_step, the number of training steps, must be given/],
    ['030.json', /tinit 8 and tfinal 5 leave none of total_step 10/],
    ['031.json', /prompt_tuning_init_text/],
    ['032.json', /032\.json .*JSON/],
  ])('%s is refused', async (file, reason) => {
    await expect(read(ours, file)).rejects.toThrow(reason);
    expect(Object.keys(JSON.parse(readFileSync(`${ours}/refused.json`, 'utf8')))).toContain(file);
  });

  it('warns of what has no effect', async () => {
    for (const [file, warning] of [
      ['001.json', /unknown fields in a LORA config: enable_lora, merge_weights/],
      ['009.json', /loftq_config has no effect: init_lora_weights is not "loftq"/],
      ['010.json', /eva_config has no effect: init_lora_weights is not "eva"/],
    ] as const) {
      await read(ours, file);
      expect(warnings.splice(0).join('\n')).toMatch(warning);
    }
  });
});

describe.skipIf(!existsSync(found))(
  'configs found in public repositories (they are not ours to ship: skipped where they are not at hand)',
  () => {
    it.each(filesOf(found))('%s', async (file) => {
      const raw = (await readJson(folder(found), file).catch(() => undefined)) as Config | undefined;
      const python = pythons(found, file);
      const type = raw?.peft_type as AnyTuner['type'];
      if (!raw) await expect(read(found, file)).rejects.toThrow(/JSON/);
      else if (type === undefined) await expect(read(found, file)).rejects.toThrow('peft_type');
      else if (!built.includes(type)) await expect(read(found, file)).rejects.toThrow(`peft_type ${JSON.stringify(type)}`);
      else if (python) await compare(found, file, python);
      else await expect(read(found, file)).rejects.toThrow('total_step');
    });

    it('are all there', () => expect(filesOf(found)).toHaveLength(184));
  },
);
