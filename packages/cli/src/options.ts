/** What a command can be told: by a flag of this name, by a place on the line, or by a field of the `--config` file. */
export interface Option {
  /** A list is a flag given several times, numbers stand with commas between them, settings are `name=value` pairs. */
  readonly type: 'text' | 'number' | 'flag' | 'list' | 'numbers' | 'settings';
  /** What it does, for the help; a default that no `default` can say stands in it. */
  readonly help: string;
  /** What stands for its value in the help. */
  readonly value?: string;
  readonly default?: string | number;
  readonly choices?: readonly string[];
  readonly required?: boolean;
  /** Taken from the words without a flag; the last such option takes all that are left where it is a list. */
  readonly positional?: boolean;
}

export type Options = Readonly<Record<string, Option>>;

interface Kinds {
  text: string;
  number: number;
  flag: boolean;
  list: string[];
  numbers: number[];
  settings: Record<string, unknown>;
}

type Kind<O extends Option> = O extends { choices: readonly (infer Choice)[] } ? Choice : Kinds[O['type']];

type Given<O extends Option> = O extends { default: string | number } | { required: true } | { type: 'flag' | 'list' | 'settings' }
  ? Kind<O>
  : Kind<O> | undefined;

/** What a command was told. */
export type Values<O extends Options> = { -readonly [Name in keyof O]: Given<O[Name]> };

/** What every command takes. */
export const commonOptions = {
  config: { type: 'text', value: 'FILE', help: 'settings as a JSON object of these names; flags win over it' },
  json: { type: 'flag', help: 'results as JSON, one object a line, and nothing else on standard output' },
  quiet: { type: 'flag', help: 'no progress and no word of the engine' },
  help: { type: 'flag', help: 'shows this' },
} as const satisfies Options;

/** For commands that compute. */
export const engineOptions = {
  engine: { type: 'text', value: 'NAME', choices: ['native', 'wasm'], help: 'only this engine [the best that is there]' },
  matmul_precision: {
    type: 'text',
    value: 'NAME',
    choices: ['highest', 'medium'],
    help: 'medium: large products may be computed in bfloat16, where the processor can [highest]',
  },
  threads: { type: 'number', value: 'N', help: 'threads of the wasm engine [all free cores for training, else 1]' },
} as const satisfies Options;

/** Errors of how a command was called: exit code 2. */
export class UsageError extends Error {}
