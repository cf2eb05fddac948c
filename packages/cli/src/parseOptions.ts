import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { commonOptions, type Option, type Options, UsageError, type Values } from './options';

/**
 * Reads what stands on the line over what a `--config` file says over the defaults. `--max-steps` and `--max_steps` are the same.
 * Errors: UsageError with all that is wrong.
 */
export async function parseOptions<O extends Options>(options: O, argv: readonly string[]): Promise<Values<O & typeof commonOptions>> {
  const all: Options = { ...options, ...commonOptions };
  const line = readLine(all, argv);
  // Who asks for help is not told what is missing.
  if (line.help) return line as Values<O & typeof commonOptions>;
  const file = typeof line.config === 'string' ? await readConfigFile(line.config, all) : {};
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(all)) {
    const given = line[name] ?? file[name] ?? option.default ?? none(option);
    if (given === undefined && option.required) problems.push(`${called(name, option)} is missing`);
    try {
      if (option.type === 'settings') values[name] = { ...settings(name, file[name]), ...settings(name, line[name]) };
      else if (given !== undefined) values[name] = convert(name, option, given);
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  if (problems.length > 0) throw new UsageError(problems.join('\n'));
  return values as Values<O & typeof commonOptions>;
}

/** How an option stands on the line. */
export const called = (name: string, { positional }: Option): string => (positional ? name.toUpperCase() : `--${name}`);

const isMany = ({ type }: Option) => type === 'list' || type === 'settings';
const none = ({ type }: Option) => (type === 'flag' ? false : type === 'list' ? [] : undefined);

function readLine(options: Options, argv: readonly string[]): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  const rest: string[] = [];
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  for (const word of argv.slice(0, end)) {
    const spelled = word.replace(/^--[\w-]+/, (flag) => `--${flag.slice(2).replaceAll('-', '_')}`);
    const switched = /^--(\w+)=(true|false)$/.exec(spelled);
    // A flag can be switched off on the line that a file switches on.
    if (switched && options[switched[1] as string]?.type === 'flag') given[switched[1] as string] = switched[2] === 'true';
    else rest.push(spelled);
  }
  const named = Object.entries(options).map(([name, option]) => {
    const kind = { type: option.type === 'flag' ? ('boolean' as const) : ('string' as const), multiple: isMany(option) };
    return [name, name === 'help' ? { ...kind, short: 'h' } : kind] as const;
  });
  const places = Object.entries(options).filter(([, { positional }]) => positional);
  try {
    const { values, positionals } = parseArgs({
      args: [...rest, ...argv.slice(end)],
      options: Object.fromEntries(named),
      allowPositionals: true,
    });
    Object.assign(given, values);
    for (const [name, option] of places) {
      const words = isMany(option) ? positionals.splice(0) : positionals.splice(0, 1);
      if (words.length > 0) given[name] = isMany(option) ? words : words[0];
    }
    if (positionals.length > 0) throw new Error(`"${positionals[0]}" is one word too many`);
    return given;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function readConfigFile(path: string, options: Options): Promise<Record<string, unknown>> {
  let file: unknown;
  try {
    file = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`--config ${path} cannot be read: ${(error as Error).message}`);
  }
  if (typeof file !== 'object' || file === null || Array.isArray(file)) throw new UsageError(`--config ${path} holds no JSON object`);
  const names = Object.keys(options).filter((name) => name !== 'config' && name !== 'help');
  const unknown = Object.keys(file).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new UsageError(`--config ${path} has unknown names: ${unknown.join(', ')}; there are ${names.join(', ')}`);
  return file as Record<string, unknown>;
}

function convert(name: string, option: Option, given: unknown) {
  const refuse = (expected: string) => new UsageError(`${called(name, option)} must be ${expected}, not ${JSON.stringify(given)}`);
  const number = (value: unknown) => {
    const n = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof n !== 'number' || !Number.isFinite(n))
      throw refuse(option.type === 'number' ? 'a number' : 'numbers with commas between them');
    return n;
  };
  switch (option.type) {
    case 'number':
      return number(given);
    case 'numbers':
      return (Array.isArray(given) ? given : String(given).split(',')).map(number);
    case 'flag':
      if (typeof given !== 'boolean') throw refuse('true or false');
      return given;
    case 'list':
      if (!Array.isArray(given) || given.some((item) => typeof item !== 'string')) throw refuse('a list of texts');
      return given;
    case 'text':
      if (typeof given !== 'string') throw refuse('a text');
      if (option.choices && !option.choices.includes(given)) throw refuse(`one of ${option.choices.join(', ')}`);
      return given;
  }
}

/** `r=8`, `target_modules=q_proj,v_proj`, `rank_pattern={"q_proj":4}`; or the object of a file as it is. */
function settings(name: string, given: unknown = []): object {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given;
  if (!Array.isArray(given)) throw new UsageError(`--${name} must be an object, not ${JSON.stringify(given)}`);
  return Object.fromEntries(
    given.map((pair: string) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError(`--${name} takes name=value, not "${pair}"`);
      return [pair.slice(0, at), parseValue(pair.slice(at + 1))];
    }),
  );
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Names with commas between them are a list: no regular expression for a module's name needs a comma.
    return /^[\w.-]+(,[\w.-]+)+$/.test(text) ? text.split(',') : text;
  }
}
