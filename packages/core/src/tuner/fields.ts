/** One field of a config file: its default and what it may hold. */
export interface Field<T> {
  readonly default: T;
  /** What is allowed, in words, for errors. */
  readonly expects: string;
  accepts(value: unknown): boolean;
  /** Python writes such a number with a decimal point. */
  readonly float?: boolean;
  /** A list without order that holds nothing twice. */
  readonly unique?: boolean;
  /** Absent from a config, and from its file, unless it is given. */
  readonly optional?: boolean;
  /** The fields of a nested object. */
  readonly fields?: Fields<object>;
}

/** All fields of a config: one table gives defaults, checks and the file's number format. Optional ones may be missing. */
export type Fields<Config extends object> = { readonly [Name in keyof Config as Name & string]: Field<Config[Name]> };

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A field with a check of one's own. */
export const custom = <T>(fallback: T, expects: string, accepts: (value: unknown) => boolean): Field<T> => ({
  default: fallback,
  expects,
  accepts,
});

export const boolean = (fallback: boolean): Field<boolean> => custom(fallback, 'true or false', (value) => typeof value === 'boolean');
export const string = (fallback: string): Field<string> => custom(fallback, 'a string', (value) => typeof value === 'string');
export const integer = (fallback: number): Field<number> => custom(fallback, 'a whole number', Number.isSafeInteger);
/** A number that Python may hold as int or float; written as it is. */
export const number = (fallback: number): Field<number> => custom(fallback, 'a number', Number.isFinite);
/** A number that Python holds as float: written `0.0`, not `0`. */
export const float = (fallback: number): Field<number> => ({ ...number(fallback), float: true });

export const oneOf = <T extends string>(fallback: T, ...allowed: readonly T[]): Field<T> =>
  custom(
    fallback,
    `one of ${[fallback, ...allowed]
      .filter((name, i, all) => all.indexOf(name) === i)
      .map((name) => `"${name}"`)
      .join(', ')}`,
    (value) => ([fallback, ...allowed] as unknown[]).includes(value),
  );

/** `null` by default, else what another field holds. */
export const nullable = <T>(field: Field<T>): Field<T | null> => ({
  ...field,
  default: null,
  expects: `${field.expects}, or null`,
  accepts: (value) => value === null || field.accepts(value),
});

/** Absent unless it is given: what Python PEFT does not know stays out of its files. */
export const optional = <T>(field: Field<T>): Field<T | undefined> => ({ ...field, default: undefined, optional: true });

export const list = <T>(item: Field<T>, fallback: T[] = []): Field<T[]> =>
  custom(fallback, `a list, each ${item.expects}`, (value) => Array.isArray(value) && value.every((entry) => item.accepts(entry)));

/** What is a set in Python: files may name an item twice, configs hold it once. */
export const set = <T>(item: Field<T>): Field<T[]> => ({ ...list(item), unique: true });

export const record = <T>(item: Field<T>): Field<Record<string, T>> => ({
  ...custom<Record<string, T>>(
    {},
    `an object, each value ${item.expects}`,
    (value) => isRecord(value) && Object.values(value).every((entry) => item.accepts(entry)),
  ),
  ...(item.float ? { float: true } : {}),
});

/** Either of two kinds; the first one's default. */
export const either = <A, B>(first: Field<A>, second: Field<B>): Field<A | B> => ({
  ...custom<A | B>(first.default, `${first.expects}, or ${second.expects}`, (value) => first.accepts(value) || second.accepts(value)),
  ...(first.unique || second.unique ? { unique: true } : {}),
});

/** An object with fields of its own; missing ones are filled in when a config is parsed. */
export const object = <T extends object>(fields: Fields<T>): Field<T> => ({
  ...custom(
    Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, (field as Field<unknown>).default])) as T,
    `an object with ${Object.keys(fields).join(', ')}`,
    (value) =>
      isRecord(value) &&
      Object.entries(fields).every(([name, field]) => !Object.hasOwn(value, name) || (field as Field<unknown>).accepts(value[name])),
  ),
  fields: fields as unknown as Fields<object>,
});
