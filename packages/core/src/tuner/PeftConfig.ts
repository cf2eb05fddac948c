import { warn } from '../warn';
import { custom, type Field, type Fields, nullable, string } from './fields';
import { TaskType } from './TaskType';
import type { AnyTuner, Tuner } from './Tuner';

/** The version of Python PEFT whose files and behaviour these are. */
export const PEFT_VERSION = '0.21.0';

/** The fields that every `adapter_config.json` has. */
export interface PeftConfig {
  /** Which method it is, e.g. as a tuner's `type` says. */
  peft_type: string;
  task_type: TaskType | null;
  auto_mapping: Record<string, unknown> | null;
  peft_version: string;
  base_model_name_or_path: string | null;
  revision: string | null;
  inference_mode: boolean;
  /** Modules that are trained as a whole and saved with the adapter; absent where a method has no such field. */
  modules_to_save?: string[] | null;
}

const taskTypes = Object.values(TaskType) as string[];

/** The table of the common fields, to be spread into a method's own. */
export const commonFields = <Type extends string>(type: Type) =>
  ({
    peft_type: custom(type, `"${type}"`, (value) => value === type),
    task_type: nullable(custom<TaskType>('CAUSAL_LM', `one of ${taskTypes.join(', ')}`, (value) => taskTypes.includes(value as string))),
    auto_mapping: nullable(custom<Record<string, unknown>>({}, 'an object', (value) => typeof value === 'object' && !Array.isArray(value))),
    peft_version: string(PEFT_VERSION),
    base_model_name_or_path: nullable(string('')),
    revision: nullable(string('')),
    inference_mode: custom(false, 'true or false', (value) => typeof value === 'boolean'),
  }) satisfies Fields<PeftConfig & { modules_to_save?: never }> | Record<string, Field<unknown>>;

/** A config carries its method under this symbol: it survives spreading and is invisible to JSON. */
export const tunerOf: unique symbol = Symbol.for('@peft/core/tuner') as never;

/** A config together with the method it is for. */
export type Tuned<T extends AnyTuner> = (T extends Tuner<infer Config, infer _Base, infer _Handle> ? Config : PeftConfig) & {
  readonly [tunerOf]: T;
};

/**
 * A config of a method: what is given, checked, over the method's defaults.
 * Errors: all fields of a wrong type at once; unknown fields, unless they come from a file, where newer versions may have
 * written them: then they are kept, with one warning.
 */
export function makeConfig<T extends AnyTuner>(tuner: T, given: object, { fromFile = false } = {}): Tuned<T> {
  const fields = tuner.fields as unknown as Record<string, Field<unknown>>;
  const { config, unknown, wrong } = fill(fields, given as Record<string, unknown>);
  if (wrong.length > 0) throw new Error(`this ${tuner.type} config cannot be used: ${wrong.join('; ')}`);
  if (unknown.length > 0) {
    const what = `unknown fields in a ${tuner.type} config: ${unknown.join(', ')}`;
    if (!fromFile) throw new Error(`${what}; it has ${Object.keys(fields).sort().join(', ')}`);
    warn(`${what}; they are kept and written back, but have no effect (was the file written by a newer version of PEFT?)`);
  }
  tuner.validate?.(config);
  return { ...(tuner.complete?.(config) ?? config), [tunerOf]: tuner } as unknown as Tuned<T>;
}

function fill(fields: Record<string, Field<unknown>>, given: Record<string, unknown>, path = '') {
  const config: Record<string, unknown> = {};
  const unknown: string[] = [];
  const wrong: string[] = [];
  for (const [name, field] of Object.entries(fields)) if (!field.optional) config[name] = structuredClone(field.default);
  for (const [name, value] of Object.entries(given)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (value === undefined) continue;
    const inner = field?.fields && value !== null && typeof value === 'object' && !Array.isArray(value);
    if (!field) unknown.push(path + name);
    else if (!inner && !field.accepts(value)) wrong.push(`${path}${name} must be ${field.expects}, not ${JSON.stringify(value)}`);
    if (inner) {
      const nested = fill(field.fields as unknown as Record<string, Field<unknown>>, value as Record<string, unknown>, `${path}${name}.`);
      config[name] = nested.config;
      unknown.push(...nested.unknown);
      wrong.push(...nested.wrong);
    } else
      Object.defineProperty(config, name, {
        value: field?.unique && Array.isArray(value) ? [...new Set(value)] : value,
        enumerable: true,
        writable: true,
        configurable: true,
      });
  }
  return { config, unknown, wrong };
}

/** Whether Python writes the number at this place of a config with a decimal point. */
export function isFloatField(tuner: AnyTuner, path: readonly string[]): boolean {
  let fields: Record<string, Field<unknown>> | undefined = tuner.fields as unknown as Record<string, Field<unknown>>;
  let field: Field<unknown> | undefined;
  for (const name of path) {
    const next: Field<unknown> | undefined = fields && Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!next) break;
    field = next;
    fields = field.fields as Record<string, Field<unknown>> | undefined;
  }
  return field?.float === true;
}
